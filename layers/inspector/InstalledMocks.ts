/**
 * Mocks that watchers have installed on a gateway: a method, a path, and the answer.
 *
 * @internal
 */
import { validateHeaderName, validateHeaderValue } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Exchange } from "../http/Exchange.js"
import type { GatewayInterceptor } from "../http/InterceptorStack.js"
import * as JsonResponse from "../http/JsonResponse.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import type { HeaderList, MockSpec } from "./InspectorProtocol.js"

/** How many mocks a watcher may have. */
export const maxMocks = 200

/** The largest body of a mock's answer, in characters, and of all of a watcher's. */
const maxBodyLength = 1024 * 1024
const maxBodiesLength = 4 * maxBodyLength

export class InstalledMocks {
  /** By watcher, the latest one last. */
  readonly #byWatcher = new Map<object, ReadonlyMap<string, MockSpec>>()

  /** Puts the watcher's mocks in place of those that it had. What can't be one is left out. */
  set(watcher: object, given: unknown): void {
    const mocks = new Map<string, MockSpec>()
    let length = 0
    for (const mock of Array.isArray(given) ? given.slice(0, maxMocks) : []) {
      const spec = specOf(mock)
      if (typeof spec === "string") continue
      length += spec.body.length
      if (length <= maxBodiesLength) mocks.set(keyOf(spec.method, spec.path), spec)
    }
    this.#byWatcher.delete(watcher)
    this.#byWatcher.set(watcher, mocks)
  }

  remove(watcher: object): void {
    this.#byWatcher.delete(watcher)
  }

  readonly intercept: GatewayInterceptor = (exchange, passOn) => {
    const mock = exchange.upgrade === undefined ? this.#find(exchange) : undefined
    if (mock === undefined) passOn(exchange)
    else answer(exchange, mock)
  }

  #find({ request }: Exchange): MockSpec | undefined {
    const key = keyOf(request.method as string, pathOf(request.url as string))
    let found: MockSpec | undefined
    for (const mocks of this.#byWatcher.values()) found = mocks.get(key) ?? found
    return found
  }
}

/** Answers by the mocks until the scope closes. */
export const make = (gateway: NodeHttpGateway): Effect.Effect<InstalledMocks, never, Scope.Scope> =>
  Effect.suspend(() => {
    const mocks = new InstalledMocks()
    return Effect.as(gateway.intercept(mocks.intercept), mocks)
  })

/** The mock, or why it can't be one. */
export const specOf = (input: unknown): MockSpec | string => {
  if (typeof input !== "object" || input === null) return "a mock is an object"
  const { body = "", headers = [], id, method, path, status = 200 } = input as Readonly<Record<string, unknown>>
  if (typeof id !== "string" || id.length > 100) return "id must be a string"
  if (typeof method !== "string" || !/^[A-Z]{1,20}$/.test(method))
    return "method must be one in upper case, such as GET"
  if (typeof path !== "string" || !/^\/[^\s?#]{0,4096}$/.test(path)) return 'path must begin with "/", without a query'
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) {
    return "status must be a number from 200 to 599"
  }
  if (typeof body !== "string") return "body must be text"
  if (body.length > maxBodyLength) return `body must have at most ${maxBodyLength} characters`
  const pairs = headersOf(headers)
  return typeof pairs === "string" ? pairs : { id, method, path, status, headers: pairs, body }
}

const headersOf = (headers: unknown): HeaderList | string => {
  if (!Array.isArray(headers) || headers.length > 100) return "headers must be a list of names and values"
  const pairs: Array<readonly [string, string]> = []
  for (const pair of headers) {
    const [name, value]: ReadonlyArray<unknown> = Array.isArray(pair) ? pair : []
    if (typeof name !== "string" || typeof value !== "string" || value.length > 8192) {
      return "headers must be a list of names and values"
    }
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      return `the header ${JSON.stringify(name.slice(0, 100))} can't be sent`
    }
    if (!ofConnection.has(name.toLowerCase())) pairs.push([name, value])
  }
  return pairs
}

/** What Node decides by the body. */
const ofConnection: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "connection", "trailer"])

const keyOf = (method: string, path: string): string => `${method} ${path}`

const answer = ({ request, response }: Exchange, { body, headers, method, path, status }: MockSpec): void => {
  if (response.isTapped) response.tellAnswerer({ kind: "mock", name: `${method} ${path} (inspector)` })
  const send = () => {
    if (response.destroyed || response.headersSent) return
    try {
      response.writeHead(status, headers.flat())
      response.end(status === 204 || status === 304 ? undefined : body)
    } catch {
      JsonResponse.sendError(response, 500, "The mock of the inspector can't be sent.")
    }
  }
  request.once("end", send)
  request.resume()
}
