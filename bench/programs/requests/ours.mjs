/**
 * The Effect API as a program uses it. Variants: `branded` requests; `tcp`, the same by the port; `generators`, the same with handlers that are
 * generators and so need a fiber each; `traced`, branded with a tracer at both ends; `promises`, branded and each asked by a `runPromise` of its own; `schemas` at both ends; `msgpack`,
 * branded over MessagePack.
 */

import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import { effectLoadOf, generator, running } from "../effects.mjs"
import { loadOf } from "../load.mjs"

const runtimeId = "bench"

const serialization = (variant) => (variant === "msgpack" ? { serialization: "msgpack" } : {})

export const serve = (variant) =>
  running(
    NodeIPCServer.layer(serialization(variant)),
    Effect.gen(function* () {
      const server = yield* IPCServer
      yield* answerAll(server, requestsOf(IPCServer.defineRequest, variant), variant)
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const requests = requestsOf(IPCClient.defineRequest, variant)
      return {
        port: server.port,
        load: loadBy(variant, runPromise, requests, (request, payload) => server.request(runtimeId, request, payload))
      }
    }),
    variant === "traced"
  )

export const connect = (port, variant) =>
  running(
    NodeIPCClient.layer({ port, runtimeId, ...serialization(variant), transport: variant === "tcp" ? "tcp" : "any" }),
    Effect.gen(function* () {
      const client = yield* IPCClient
      yield* answerAll(client, requestsOf(IPCClient.defineRequest, variant), variant)
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const requests = requestsOf(IPCServer.defineRequest, variant)
      return {
        call: (payload) => runPromise(client.request(Array.isArray(payload) ? requests.big : requests.small, payload)),
        load: loadBy(variant, runPromise, requests, (request, payload) => client.request(request, payload))
      }
    }),
    variant === "traced"
  )

const loadBy = (variant, runPromise, requests, ask) =>
  variant === "promises"
    ? loadOf((payload) => runPromise(ask(Array.isArray(payload) ? requests.big : requests.small, payload)))
    : effectLoadOf(runPromise, (kind) => (payload) => ask(requests[kind], payload))

const Small = Schema.Struct({
  runtimeId: Schema.String,
  store: Schema.String,
  key: Schema.String,
  value: Schema.Struct({ a: Schema.Number, b: Schema.String, c: Schema.Array(Schema.Number) })
})

const Big = Schema.Array(
  Schema.Struct({
    id: Schema.Number,
    name: Schema.String,
    url: Schema.String,
    tags: Schema.Array(Schema.String),
    at: Schema.String
  })
)

/** The request that carries each kind of payload. */
const requestsOf = (define, variant) =>
  variant === "schemas"
    ? {
        small: define("echo-small", { payload: Small, success: Small }),
        big: define("echo-big", { payload: Big, success: Big })
      }
    : { small: define("echo-small"), big: define("echo-big") }

const answerAll = (end, requests, variant) =>
  Effect.forEach(Object.values(requests), (request) =>
    end.handle(request, variant === "generators" ? generator : succeed)
  )

const succeed = (payload) => Effect.succeed(payload)
