/** The Effect API. Variants: `branded`, `schemas` at both ends, `tcp` without the Unix socket, `msgpack`. */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { IPCClient, IPCRequest, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import { consumerOf, running, streamed } from "../effects.mjs"

const Element = Schema.Struct({
  runtimeId: Schema.String,
  store: Schema.String,
  key: Schema.String,
  value: Schema.Struct({ a: Schema.Number, b: Schema.String, c: Schema.Array(Schema.Number) })
})

const Bytes = IPCServer.defineStream("bytes", { element: IPCRequest.Bytes })
const Events = IPCServer.defineStream("events")
const elementsOf = (variant) =>
  variant === "schemas" ? IPCServer.defineStream("elements", { element: Element }) : IPCServer.defineStream("elements")

const serialization = (variant) => (variant === "msgpack" ? { serialization: "msgpack" } : {})

export const serve = (variant) =>
  running(
    NodeIPCServer.layer(serialization(variant)),
    Effect.gen(function* () {
      const server = yield* IPCServer
      yield* server.handleStream(elementsOf(variant), () => streamed.elements)
      yield* server.handleStream(Events, () => streamed.events)
      yield* server.handleStream(Bytes, () => streamed.bytes)
      return server.port
    })
  )

export const connect = (port, variant) =>
  running(
    NodeIPCClient.layer({ port, ...serialization(variant), ...(variant === "tcp" ? { transport: "tcp" } : {}) }),
    Effect.gen(function* () {
      const client = yield* IPCClient
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const streams = {
        elements: client.stream(elementsOf(variant)),
        events: client.stream(Events),
        bytes: client.stream(Bytes)
      }
      return { consume: consumerOf(runPromise, (what) => streams[what]) }
    })
  )
