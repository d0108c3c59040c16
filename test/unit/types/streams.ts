/** What of streams compiles and what doesn't: `tsc` is the test. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ClientNotConnected, IPCClient, IPCRequest, IPCServer, type StreamError } from "effect-ipc"

class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}

const Count = IPCServer.defineStream<number, number>("count")
const Ticks = IPCServer.defineStream<void, string>("ticks")
const Sum = IPCServer.defineStream<string, number, number>("sum", { input: true })
const Tail = IPCServer.defineStream("tail", { payload: Schema.String, element: Schema.Date, failure: Gone })
const Upload = IPCServer.defineStream("upload", { element: Schema.Number, input: IPCRequest.Bytes })
const Watch = IPCClient.defineStream<void, number>("watch")

declare const server: IPCServer.Service
declare const client: IPCClient.Service

// What compiles, and what it is.

export const counted: Stream.Stream<number, StreamError> = client.stream(Count, 3)
export const ticks: Stream.Stream<string, StreamError> = client.stream(Ticks)
export const tail: Stream.Stream<Date, Gone | StreamError> = client.stream(Tail, "app", { idleTimeout: "1 second" })
export const sum: Stream.Stream<number, StreamError | "mine"> = client.stream(Sum, "x", Stream.fail("mine" as const))
export const uploaded: Stream.Stream<number, StreamError> = client.stream(
  Upload,
  undefined,
  Stream.make(new Uint8Array())
)
export const watched: Stream.Stream<number, StreamError | ClientNotConnected> = server.stream("client", Watch)
server.handleStream(Count, (n, { clientId }) => Stream.make(n, clientId.length))
server.handleStream(Sum, (label, input, { clientId }) => Stream.map(input, (n) => n + label.length + clientId.length))
server.handleStream(Tail, () => Stream.fail(new Gone()))
server.handleStream(Upload, (_, input) => Stream.map(input, (bytes) => bytes.length))
client.handleStream(Watch, () => Stream.make(1))
// An effect is a stream of one.
server.handleStream(Count, () => Effect.succeed(1))
IPCServer.defineRequest("file", { payload: Schema.String, success: IPCRequest.Bytes })

// What doesn't.

// @ts-expect-error a stream of the server isn't opened at a client
server.stream("client", Count, 3)
// @ts-expect-error a stream of a client isn't opened at the server
client.stream(Watch)
// @ts-expect-error no payload
client.stream(Count)
// @ts-expect-error a wrong payload
client.stream(Count, "3")
// @ts-expect-error it has no input
client.stream(Count, 3, Stream.make(1))
// @ts-expect-error it has input
client.stream(Sum, "x")
// @ts-expect-error a wrong input
client.stream(Sum, "x", Stream.make("1"))
// @ts-expect-error wrong elements
server.handleStream(Count, () => Stream.make("1"))
// @ts-expect-error the failure isn't the declared one
server.handleStream(Tail, () => Stream.fail(new Other()))
// @ts-expect-error a stream isn't a request
client.request(Count, 3)
// @ts-expect-error bytes are a whole value, and no part of one
Schema.Struct({ bytes: IPCRequest.Bytes })
// @ts-expect-error a failure has to be tagged
IPCServer.defineRequest("file", { failure: IPCRequest.Bytes })
