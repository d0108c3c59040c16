/**
 * The standalone gateway for programs without Effect.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { IPCServer } from "../../src/IPCServer.js"
import { defaultPort, urlOf } from "../ipc/Address.js"
import * as Layer from "../LocalDiscovery.js"
import { notOpen } from "./NotOpen.js"
import { Participant, type ParticipantOptions, type Participation } from "./Participant.js"
import { Starting } from "./Starting.js"

/**
 * The options of a gateway, beside the port.
 *
 * @since 0.1.0
 * @category models
 */
export interface GatewayOptions extends ParticipantOptions {}

/**
 * The standalone gateway: a participant that leads while it runs. It asks a leading participant to step down. Participants
 * that have followed it never bid for the port again, and wait for it when it has ended. It registers and discovers as every
 * participant does.
 *
 * Callbacks may be registered at any time, before `start` too, and stay registered. Entries and strategies last until
 * `teardown`.
 *
 * Failures reject with the tagged errors of `effect-ipc`. A rejection that isn't awaited never ends the process.
 *
 * @example
 * ```ts
 * import { Gateway } from "effect-ipc/promise"
 *
 * const gateway = new Gateway(9000, { strategies: { users: "leastConnections" } })
 * gateway.onChange(({ _tag, route }) => console.log(`${_tag}: ${route.api} at ${route.baseUrl}`))
 *
 * if (await gateway.start()) console.log(`listening at ${gateway.getUrl()}`)
 * else console.log(`${gateway.getPort()} is held by another gateway or another program`)
 * await gateway.teardown()
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class Gateway extends Participant<IPCServer> {
  readonly #starting = new Starting()

  /** The port that all participants know. Port 0 is any free port. */
  constructor(port = defaultPort, options: GatewayOptions = {}) {
    super("Gateway", "start", port, options)
  }

  /**
   * Binds the port. Resolves with `false` where another standalone gateway has it, or a process that doesn't step down; any
   * other failure rejects: `ListenFailed`, `TokenRequired`, `InvalidToken`, and `ConnectionClosed` where `teardown` was
   * called meanwhile. One that runs or is starting isn't started twice.
   */
  start(): Promise<boolean> {
    const started = this.session.open(
      (open) => this.#program(open),
      () => notOpen("start", this.address, "teardown() was called before the gateway had started.")
    )
    return this.#starting.settle(started)
  }

  /**
   * The port that is bound, or will be. Throws `ConnectionClosed` where that isn't known: the gateway was made with port 0
   * and isn't running.
   */
  getPort(): number {
    const port = this.#server?.port ?? this.options.port
    if (port) return port
    throw notOpen("getPort", this.address, "Any free port was asked for, so there is none yet. Await start() first.")
  }

  /** `http://host:port`. Throws as {@link getPort} does, and where `start` found that another process holds the port. */
  getUrl(): string {
    const server = this.#server
    if (server !== undefined) return server.url
    this.#starting.checkUrl(this.address)
    return urlOf({ host: this.options.host, port: this.getPort() })
  }

  get #server(): IPCServer.Service | undefined {
    const participation = this.session.value
    return participation === undefined ? undefined : Context.get(participation.services, IPCServer)
  }

  /** Runs from start to teardown. */
  #program(open: (participation: Participation<IPCServer>) => void): Effect.Effect<void, unknown> {
    const serving = Effect.gen(this, function* () {
      open(yield* this.participate(Layer.makeStandalone(this.options)))
      return yield* Effect.never
    })
    return Effect.scoped(serving)
  }
}
