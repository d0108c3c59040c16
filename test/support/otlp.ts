/** A receiver of OTLP over HTTP in JSON (opentelemetry.io/docs/specs/otlp) that keeps the spans it is sent. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface ReceivedSpan {
  /** The process that sent it, by its `service.name`. */
  readonly service: string
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
}

interface TracesRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<{ key: string; value: { stringValue?: string } }> }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Omit<ReceivedSpan, "service">> }>
  }>
}

export interface Receiver {
  readonly url: string
  readonly spans: ReadonlyArray<ReceivedSpan>
  /** The paths that were posted to. */
  readonly paths: ReadonlySet<string>
}

export const receive: Effect.Effect<Receiver, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.async<Receiver & { readonly close: () => void }>((resume) => {
      const spans: Array<ReceivedSpan> = []
      const paths = new Set<string>()
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8")
        request.on("data", (chunk: string) => {
          body += chunk
        })
        request.on("end", () => {
          paths.add(request.url ?? "")
          if (request.url === "/v1/traces") spans.push(...spansOf(JSON.parse(body) as TracesRequest))
          response.setHeader("content-type", "application/json")
          response.end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ url, spans, paths, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ),
  (receiver): Receiver => receiver
)

const spansOf = ({ resourceSpans }: TracesRequest): ReadonlyArray<ReceivedSpan> =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const name = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? ""
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service: name })))
  })

/** A trace below its root, each span as `service: name`. */
export const treeOf = (spans: ReadonlyArray<ReceivedSpan>): ReadonlyArray<string> => {
  const below = (parent: ReceivedSpan | undefined, depth: number): ReadonlyArray<string> =>
    spans
      .filter(({ parentSpanId }) =>
        parent === undefined ? !spans.some(({ spanId }) => spanId === parentSpanId) : parentSpanId === parent.spanId
      )
      .flatMap((span) => [`${"  ".repeat(depth)}${span.service}: ${span.name}`, ...below(span, depth + 1)])
  return below(undefined, 0)
}
