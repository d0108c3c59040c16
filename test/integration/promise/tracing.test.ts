import { setImmediate } from "node:timers/promises"
import { continueTrace, IPCClient, IPCServer, traceHeaders } from "effect-ipc/promise"
import { assert, describe, it } from "vitest"
import { clientOf, connect, serve } from "./support.js"

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const context = { traceparent, tracestate: "a=1", baggage: "k=v" }

const Trace = IPCServer.defineRequest<void, unknown>("trace")
const TraceOfClient = IPCClient.defineRequest<void, unknown>("client/trace")
const Traces = IPCServer.defineStream<void, unknown>("traces")

describe("A trace behind promises", () => {
  it("goes on in a request's handler, after what it awaits and in what it requests", async () => {
    const server = await serve()
    const client = await connect(server, "client")
    client.onFrameworkRequest(TraceOfClient, async () => {
      await setImmediate()
      return traceHeaders()
    })
    server.onFrameworkMessage(Trace, async (_, { runtimeId = "" }) => {
      await setImmediate()
      return [traceHeaders(), await server.sendFrameworkMessage(runtimeId, TraceOfClient)]
    })
    assert.deepStrictEqual(traceHeaders(), {})
    assert.deepStrictEqual(await client.sendFrameworkRequest(Trace), [{}, {}])
    const traced = () => continueTrace(context, () => client.sendFrameworkRequest(Trace))
    const [one, untraced, other] = await Promise.all([traced(), client.sendFrameworkRequest(Trace), traced()])
    assert.deepStrictEqual(
      [one, untraced, other],
      [
        [context, context],
        [{}, {}],
        [context, context]
      ]
    )
    assert.deepStrictEqual(traceHeaders(), {})
  })

  it("goes on in a route's handler, which is told by HTTP", async () => {
    const server = await serve()
    const client = await connect(server, "client")
    client.onFrameworkRequest(TraceOfClient, () => traceHeaders())
    server.interceptHttp("GET", "/trace", async () => {
      await setImmediate()
      return [traceHeaders(), await server.sendFrameworkMessage("client", TraceOfClient)]
    })
    const ask = async (headers: Record<string, string>) => (await fetch(`${server.getUrl()}/trace`, { headers })).json()
    assert.deepStrictEqual(await Promise.all([ask(context), ask({}), ask({ traceparent: "rubbish" })]), [
      [context, context],
      [{}, {}],
      [{}, {}]
    ])
  })

  it("goes on in a stream's handler, element after element", async () => {
    const server = await serve()
    const client = await connect(server)
    server.onStream(Traces, async function* () {
      yield traceHeaders()
      await setImmediate()
      yield traceHeaders()
    })
    const read = async () => {
      const all: Array<unknown> = []
      for await (const element of client.openStream(Traces)) all.push(element)
      return all
    }
    assert.deepStrictEqual(await Promise.all([continueTrace(context, read), read()]), [
      [context, context],
      [{}, {}]
    ])
  })

  it("ends with what it was about: neither a connection nor a callback that came of it belongs to it", async () => {
    const server = await serve()
    const client = clientOf(server.getPort())
    client.onFrameworkRequest(TraceOfClient, () => traceHeaders())
    const closed = new Promise<unknown>((resolve) => client.onClose(() => resolve(traceHeaders())))
    await continueTrace(context, async () => {
      server.onFrameworkMessage(Trace, () => traceHeaders())
      await client.connect("client")
    })
    assert.deepStrictEqual(await client.sendFrameworkRequest(Trace), {})
    assert.deepStrictEqual(await server.sendFrameworkMessage("client", TraceOfClient), {})
    assert.deepStrictEqual(await continueTrace(context, () => client.sendFrameworkRequest(Trace)), context)
    await continueTrace(context, () => client.disconnect())
    assert.deepStrictEqual(await closed, {})
  })
})
