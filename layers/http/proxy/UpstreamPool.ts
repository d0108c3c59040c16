/**
 * The connections to upstreams: undici's, loaded with the first request, each socket known so that all end with the pool.
 *
 * @internal
 */
import { isIP, type Socket } from "node:net"
import type { Agent, Dispatcher } from "undici"
import * as Undici from "./Undici.js"
import { ClientNotLoaded } from "./UpstreamFailure.js"
import { UpstreamReads } from "./UpstreamReads.js"
import * as UpstreamSocket from "./UpstreamSocket.js"
import type { UpstreamTls } from "./UpstreamTls.js"

/**
 * Where requests to upstreams are dispatched.
 *
 * @internal
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
 * @internal
 */
export const make = (options: {
  /** How long an upstream may take to answer with its headers, in milliseconds. */
  readonly headersTimeout: number
  /** How long it may take to accept a connection, in milliseconds. */
  readonly connectTimeout: number
  readonly tls: UpstreamTls
}): UpstreamPool => {
  const sockets = new Set<Socket>()
  let agents: Agents | undefined
  let loading: Promise<Agents> | undefined
  let closed = false

  const makeAgents = ({ Agent, buildConnector }: Awaited<ReturnType<typeof Undici.load>>): Agents => {
    const connectTls = buildConnector({ ...options.tls, timeout: options.connectTimeout })
    const connectPlain: typeof connectTls = (to, callback) => {
      const reads = new UpstreamReads()
      const socket = buildConnector({ timeout: options.connectTimeout, onread: reads.options })(to, callback)
      reads.begin(socket as unknown as Socket)
      return socket
    }
    const connect: typeof connectTls = (to, callback) => {
      // An address is no server name (RFC 6066 section 3). Without a server name, Node verifies the address.
      const named = to.servername === undefined || isIP(to.servername) !== 0 ? { ...to, servername: "" } : to
      const socket = (to.protocol === "https:" ? connectTls : connectPlain)(named, callback) as unknown as Socket
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      UpstreamSocket.readBeforeReset(socket)
      UpstreamSocket.markContinue(socket)
      return socket
    }
    // A stream may idle as long as it likes; only its headers are awaited with a limit.
    const common = { connect, headersTimeout: options.headersTimeout, bodyTimeout: 0 }
    return { keepAlive: new Agent(common), fresh: new Agent({ ...common, pipelining: 0 }) }
  }

  const load = async (): Promise<Agents> => {
    try {
      agents = makeAgents(await Undici.load())
      return agents
    } catch (error) {
      loading = undefined
      throw new ClientNotLoaded(error)
    }
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
      // Sockets that no agent holds any more: upgraded ones, and those of origins that it has dropped.
      for (const socket of sockets) socket.destroy(error)
      await Promise.all(destroyed)
    }
  }
}

interface Agents {
  readonly keepAlive: Agent
  readonly fresh: Agent
}

// For the handler of a request that was never dispatched.
const noController: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  abort() {},
  pause() {},
  resume() {}
}
