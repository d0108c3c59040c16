/**
 * The connections to upstreams: undici's, loaded with the first request, each socket known so that all end with the pool.
 *
 * @since 0.1.0
 */
import type { Socket } from "node:net"
import type { Agent, Dispatcher } from "undici"

/**
 * Where requests to upstreams are dispatched.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpstreamPool {
  /** Dispatches on a kept-alive connection or a new one; what goes wrong goes to the handler. */
  readonly dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void
  /** The same, always on a new connection that isn't kept afterwards. */
  readonly dispatchOnNewConnection: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void
  /** Ends every connection at once; resolves when all are closed. */
  readonly close: () => Promise<void>
}

/**
 * A pool without connections yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  /** How long an upstream may take to answer with its headers, in milliseconds. */
  readonly headersTimeout: number
  /** How long it may take to accept a connection, in milliseconds. */
  readonly connectTimeout: number
}): UpstreamPool => {
  const sockets = new Set<Socket>()
  let agents: Agents | undefined
  let loading: Promise<Agents> | undefined
  let closed = false

  const load = async (): Promise<Agents> => {
    const { Agent, buildConnector } = await import("undici")
    const connector = buildConnector({ timeout: options.connectTimeout })
    const connect: typeof connector = (to, callback) => {
      const socket = connector(to, callback) as unknown as Socket
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      return socket
    }
    // A stream may idle as long as it likes; only its headers are awaited with a limit.
    const common = { connect, headersTimeout: options.headersTimeout, bodyTimeout: 0 }
    agents = { keepAlive: new Agent(common), fresh: new Agent({ ...common, pipelining: 0 }) }
    return agents
  }

  const dispatch = (
    kind: keyof Agents,
    request: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler
  ): void => {
    if (agents !== undefined && !closed) {
      agents[kind].dispatch(request, handler)
      return
    }
    const fail = (error: Error) => handler.onResponseError?.(noController, error)
    loading ??= load()
    loading.then((loaded) => {
      if (closed) return fail(new Error("The gateway is closed"))
      loaded[kind].dispatch(request, handler)
    }, fail)
  }

  return {
    dispatch: (request, handler) => dispatch("keepAlive", request, handler),
    dispatchOnNewConnection: (request, handler) => dispatch("fresh", request, handler),
    close: async () => {
      closed = true
      const error = new Error("The gateway is closed")
      const destroyed = agents === undefined ? [] : [agents.keepAlive.destroy(error), agents.fresh.destroy(error)]
      // Sockets that no agent answers for any more: those upgraded, and those of origins it has let go.
      for (const socket of sockets) socket.destroy(error)
      await Promise.all(destroyed)
    }
  }
}

interface Agents {
  readonly keepAlive: Agent
  readonly fresh: Agent
}

// What the handler of a request that was never dispatched is given.
const noController: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  abort() {},
  pause() {},
  resume() {}
}
