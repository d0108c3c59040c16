/**
 * The clients connected to a server, on whatever transport: found by runtimeId. A later connection with the same one
 * replaces the earlier.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { NotifyError, RequestError } from "../IPCError.js"
import { ClientNotConnected } from "../IPCError.js"
import type { ConnectedClient, ConnectionEvent, IPCPeer } from "../IPCPeer.js"
import type { Direction, RequestOptions, Shaped } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { UntypedStream } from "../IPCStream.js"
import { streamArguments, untypedStream } from "../IPCStream.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import * as Deadlines from "../internal/Deadlines.js"
import { Events } from "../internal/Events.js"
import { Waiters } from "../internal/Waiters.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"
import * as Handlers from "./Handlers.js"
import { IPCSocket } from "./IPCSocket.js"
import type { IPCSocketOptions } from "./IPCSocketOptions.js"
import { makeContext } from "./IPCSocketOptions.js"
import type { Transport } from "./Transport.js"

export interface ClientConnections {
  readonly handlers: Handlers.Handlers<ConnectedClient>
  /** Takes over a connection; a second one with the same runtimeId replaces the first. */
  readonly accept: (transport: Transport, runtimeId: string | undefined) => ConnectedClient
  readonly request: <D extends Direction, Payload, Success, Failure>(
    runtimeId: string,
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ) => Effect.Effect<Success, Failure | RequestError | ClientNotConnected>
  readonly notify: <D extends Direction, Payload, Success, Failure>(
    runtimeId: string,
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ) => Effect.Effect<void, NotifyError | ClientNotConnected>
  readonly stream: (
    runtimeId: string,
    definition: UntypedStream,
    args: ReadonlyArray<unknown>
  ) => Stream.Stream<unknown, unknown, unknown>
  readonly broadcast: <D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown
  ) => Effect.Effect<void, NotifyError>
  readonly clients: Effect.Effect<ReadonlyArray<ConnectedClient>>
  readonly connections: Stream.Stream<ConnectionEvent>
  /** Interrupts the fibers that still wait when the scope closes. */
  readonly awaitClient: (runtimeId: string) => Effect.Effect<ConnectedClient>
  /** Completes when no client is connected. */
  readonly withoutClients: Effect.Effect<void>
  /** The first step of closing the scope: from then on no client's frames are handled, and none are sent. */
  readonly startClosing: Effect.Effect<void>
}

interface AwaitedClient {
  readonly waiters: Waiters
  /** How many fibers wait for it, or are about to. */
  count: number
}

/**
 * Closing the scope closes every connection.
 */
export const make: (options: IPCSocketOptions) => Effect.Effect<ClientConnections, never, Scope.Scope> =
  Effect.fnUntraced(function* (options: IPCSocketOptions) {
    const handlers = Handlers.make<ConnectedClient>()
    const context = yield* makeContext(handlers, yield* Deadlines.make, options)
    const events = new Events<ConnectionEvent>()
    yield* Effect.addFinalizer(() => events.shutdown)

    const sockets = new Set<IPCSocket<ConnectedClient>>()
    const byRuntimeId = new Map<string, IPCSocket<ConnectedClient>>()
    const waiting = new Map<string, AwaitedClient>()
    const departures = new Waiters()
    let connectionCount = 0
    let closed = false

    const onClosed = (event: CloseEvent, socket: IPCSocket<ConnectedClient>) => {
      const client = socket.caller
      sockets.delete(socket)
      Metrics.connections.server(-1)
      if (client.runtimeId !== undefined && byRuntimeId.get(client.runtimeId) === socket) {
        byRuntimeId.delete(client.runtimeId)
      }
      events.publish({ _tag: "Disconnected", ...client, ...event })
      departures.announce()
    }

    const accept = (transport: Transport, runtimeId: string | undefined): ConnectedClient => {
      const clientId = `client-${++connectionCount}`
      const client: ConnectedClient = runtimeId === undefined ? { clientId } : { clientId, runtimeId }
      const socket = new IPCSocket(context, transport, runtimeId ?? clientId, client)
      sockets.add(socket)
      Metrics.connections.server(1)
      if (runtimeId !== undefined) {
        const replaced = byRuntimeId.get(runtimeId)
        byRuntimeId.set(runtimeId, socket)
        if (replaced !== undefined) {
          const reason = "a newer connection has the same runtimeId"
          context.runFork(replaced.close({ code: CloseCode.Replaced, reason }))
        }
      }
      events.publish({ _tag: "Connected", ...client })
      socket.onceClosed(onClosed)
      if (runtimeId !== undefined) waiting.get(runtimeId)?.waiters.announce()
      return client
    }

    const startClosing = Effect.sync(() => {
      closed = true
      // No client can connect any more, so waiting for one would never end.
      for (const { waiters } of waiting.values()) waiters.announce()
      for (const socket of sockets) socket.startClosing({ code: CloseCode.GoingAway, reason: "the server closes" })
    })
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(startClosing, () =>
        Effect.forEach([...sockets], (socket) => socket.closed, { concurrency: "unbounded", discard: true })
      )
    )

    const notConnected = (runtimeId: string): Exit.Exit<never, ClientNotConnected> => {
      const connected: Array<string> = []
      for (const name of byRuntimeId.keys()) if (connected.push(name) === maxNamesInError) break
      return Exit.fail(new ClientNotConnected({ runtimeId, connected }))
    }

    const begin = <D extends Direction, Payload, Success, Failure>(
      runtimeId: string,
      request: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions: RequestOptions | undefined,
      onEnd: OnEnd<Success, Failure | RequestError | ClientNotConnected>,
      span: AnySpan | undefined
    ): Waiting | undefined => {
      const socket = byRuntimeId.get(runtimeId)
      if (socket !== undefined) return socket.begin(request, payload, requestOptions, onEnd, span)
      onEnd(notConnected(runtimeId))
      return undefined
    }

    const service: ClientConnections = {
      handlers,
      accept,
      request: (runtimeId, request, payload, requestOptions) =>
        new CallbackEffect((onEnd, fiber) =>
          Tracing.isTraced(fiber)
            ? CallSpan.begin(fiber, nameOf(untyped(request)), { address: runtimeId }, onEnd, (onSpanEnd, span) =>
                begin(runtimeId, request, payload, requestOptions, onSpanEnd, span)
              )
            : begin(runtimeId, request, payload, requestOptions, onEnd, undefined)
        ),
      notify: (runtimeId, request, payload, requestOptions) =>
        CallSpan.message(
          nameOf(untyped(request)),
          { address: runtimeId },
          (): Effect.Effect<void, NotifyError | ClientNotConnected> => {
            const socket = byRuntimeId.get(runtimeId)
            return socket?.notify(request, payload, requestOptions) ?? notConnected(runtimeId)
          }
        ),
      stream: (runtimeId, definition, args) =>
        CallSpan.stream(definition.name, { address: runtimeId }, () => {
          const { input, options, payload } = streamArguments(definition, args)
          const socket = byRuntimeId.get(runtimeId)
          return socket?.stream(definition, payload, input, options) ?? Stream.fromEffect(notConnected(runtimeId))
        }),
      broadcast: (request, payload) =>
        CallSpan.message(nameOf(untyped(request)), undefined, () =>
          Effect.forEach(
            [...sockets],
            (socket) =>
              // One that is closing, or doesn't read, keeps nothing from the others.
              Effect.catchTags(socket.notify(request, payload), {
                ConnectionClosed: () => Effect.void,
                RequestTimeout: () => Effect.void
              }),
            { concurrency: "unbounded", discard: true }
          )
        ),
      clients: Effect.sync(() =>
        Array.from(sockets).flatMap((socket) => (socket.state === "open" ? [socket.caller] : []))
      ),
      connections: events.stream,
      withoutClients: departures.until(() => (sockets.size === 0 ? Effect.void : undefined)),
      awaitClient: (runtimeId) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            const awaited = waiting.get(runtimeId) ?? { waiters: new Waiters(), count: 0 }
            waiting.set(runtimeId, awaited)
            awaited.count++
            return awaited
          }),
          ({ waiters }) =>
            waiters.until(() => {
              const socket = byRuntimeId.get(runtimeId)
              if (socket !== undefined) return Effect.succeed(socket.caller)
              return closed ? Effect.interrupt : undefined
            }),
          (awaited) =>
            Effect.sync(() => {
              if (--awaited.count === 0) waiting.delete(runtimeId)
            })
        ),
      startClosing
    }
    return service
  })

/**
 * What a server offers of its clients, on whatever transport.
 *
 * @internal
 */
export const toPeer = (clients: ClientConnections): IPCPeer => ({
  handle: clients.handlers.handle,
  request: (runtimeId, request, ...[payload, options]) => clients.request(runtimeId, request, payload, options),
  notify: (runtimeId, request, ...[payload, options]) => clients.notify(runtimeId, request, payload, options),
  handleStream: (stream, handler) => clients.handlers.handleStream(stream, handler as never),
  // The peer's elements are taken to be of the stream's declared type.
  stream: (runtimeId, stream, ...args) => clients.stream(runtimeId, untypedStream(stream), args) as never,
  broadcast: (request, ...[payload]) => clients.broadcast(request, payload),
  clients: clients.clients,
  connections: clients.connections,
  awaitClient: clients.awaitClient
})

/** How many connected clients an error names. */
const maxNamesInError = 10
