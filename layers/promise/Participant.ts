/**
 * Participation in discovery with promises: what `LocalDiscovery` and `Gateway` have in common.
 *
 * @since 0.1.0
 */

import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Discovery } from "../../src/Discovery.js"
import type { Route, RouteChange, DiscoveryEntry as Validated } from "../../src/DiscoveryEntry.js"
import type { RequestOptions } from "../../src/IPCRequest.js"
import { check } from "../../src/internal/OptionNames.js"
import type { RoutingStrategy } from "../../src/RoutingStrategy.js"
import { addressOf } from "../ipc/Address.js"
import * as Layer from "../LocalDiscovery.js"
import * as CallArguments from "./CallArguments.js"
import { Callbacks } from "./Callbacks.js"
import { asyncDispose } from "./Disposal.js"
import { notOpen } from "./NotOpen.js"
import { handled, run } from "./Promises.js"
import { Session } from "./Session.js"
import { type Strategy, toRoutingStrategy } from "./Strategy.js"

/**
 * One instance of one api: its base URL, and the path prefix of the requests that the gateway forwards to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiscoveryEntry extends Readonly<typeof Validated.Encoded> {}

/**
 * How a participant elects and chooses among instances, as of `LocalDiscovery.layer`, with strategies that may be functions.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParticipantOptions extends Omit<Layer.LocalDiscoveryOptions, "port" | "strategy" | "strategies"> {
  /** How the gateway chooses among an api's instances. Default `roundRobin`. */
  readonly strategy?: Strategy | undefined
  /** Strategies by api. They apply while this process leads, so give every participant the same. */
  readonly strategies?: Readonly<Record<string, Strategy>> | undefined
}

/**
 * Registers and discovers until `teardown`. Before it takes part and after `teardown`, calls reject with
 * `ConnectionClosed`, and so do calls in flight when `teardown` is called.
 *
 * While there is no leader, each call waits for one, by default for 10 seconds, and then rejects with `RequestTimeout`. It may
 * also reject with another `RequestError`.
 *
 * @since 0.1.0
 * @category models
 */
export abstract class Participant<Services> {
  /** @internal */
  protected readonly session = new Session<Participation<Services>>()
  /** @internal */
  protected readonly options: Layer.LocalDiscoveryOptions & { readonly port: number }
  readonly #changeCallbacks = new Callbacks<[change: RouteChange]>("onChange")
  readonly #begin: string

  /** @internal `begin` is the name of the method by which it takes part, `name` that of the class. */
  protected constructor(name: string, begin: string, port: number, given: ParticipantOptions) {
    CallArguments.checkPort(`new ${name}`, port)
    check(`new ${name}(port, options)`, given, Layer.optionNames)
    const { strategies, strategy, ...options } = given
    this.#begin = begin
    this.options = {
      ...options,
      port,
      strategy: strategy === undefined ? undefined : toRoutingStrategy(strategy),
      strategies: toRoutingStrategies(strategies)
    }
  }

  /**
   * Registers instances of apis with the present and every later leader, until `unregister` or `teardown`. Rejects with
   * `InvalidEntry` where one can't be routed; then none is registered.
   */
  register(entries: DiscoveryEntry | ReadonlyArray<DiscoveryEntry>, timeoutMs?: number): Promise<void> {
    return this.ask("register", ({ registrations, services }) =>
      Scope.extend(Context.get(services, Discovery).register(Arr.ensure(entries), within(timeoutMs)), registrations)
    )
  }

  /**
   * Removes entries that this participant registered; what others registered stays. Rejects with `InvalidEntry` where one
   * can't be routed.
   */
  unregister(entries: DiscoveryEntry | ReadonlyArray<DiscoveryEntry>, timeoutMs?: number): Promise<void> {
    return this.#discovery("unregister", (discovery) => discovery.unregister(Arr.ensure(entries), within(timeoutMs)))
  }

  /**
   * The gateway's URL, below which the api's paths are served. Rejects with `ServiceNotRegistered` where the api isn't
   * registered.
   */
  discover(api: string, timeoutMs?: number): Promise<string> {
    return (
      CallArguments.apiIssue("discover", api, timeoutMs) ??
      this.#discovery("discover", (discovery) => discovery.discover(api, within(timeoutMs)))
    )
  }

  /** The api's registered instances. */
  instances(api: string): Promise<ReadonlyArray<Route>> {
    return (
      CallArguments.apiIssue("instances", api) ?? this.#discovery("instances", (discovery) => discovery.instances(api))
    )
  }

  /** Every registered instance of every api. */
  routes(): Promise<ReadonlyArray<Route>> {
    return this.#discovery("routes", (discovery) => discovery.routes)
  }

  /**
   * How the gateway chooses among an api's instances, until `teardown`. A function applies while this process leads.
   */
  setStrategy(api: string, strategy: Strategy): Promise<void> {
    const issue = CallArguments.apiIssue("setStrategy", api)
    if (issue !== undefined) return issue
    return this.#discovery("setStrategy", (discovery) =>
      Effect.flatMap(
        Effect.try({ try: () => toRoutingStrategy(strategy), catch: (error) => error }),
        (routingStrategy) => discovery.setStrategy(api, routingStrategy)
      )
    )
  }

  /** Called with each route that is added or removed while this process takes part, by any owner. */
  onChange(callback: (change: RouteChange) => unknown): void {
    this.#changeCallbacks.add(callback)
  }

  /**
   * Unregisters, releases the port or the connection to it, and resolves when nothing is left open. May be called at any
   * time, any number of times.
   */
  teardown(): Promise<void> {
    return this.session.close()
  }

  /** `teardown`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.teardown()
  }

  /** @internal */
  protected get address(): string {
    return addressOf(this.options.host, this.options.port)
  }

  /** @internal Takes part until the scope closes. */
  protected participate<E>(
    make: Effect.Effect<Context.Context<Services | Discovery>, E, Scope.Scope>
  ): Effect.Effect<Participation<Services>, E, Scope.Scope> {
    return Effect.gen(this, function* () {
      const services = yield* make
      const { changes } = Context.get(services, Discovery)
      yield* Effect.forkScoped(
        Stream.runForEach(changes, (change) => Effect.sync(() => this.#changeCallbacks.call(change)))
      )
      // The fiber subscribes before anything is registered.
      yield* Effect.yieldNow()
      // Calls are closed before registrations; each in parallel, since the leader may be slow to answer.
      const registrations = yield* parallelScope
      const calls = yield* parallelScope
      return { services, registrations, calls }
    })
  }

  /** @internal Runs a program until it ends, or this participant no longer takes part. `what` began it, for messages. */
  host(
    method: string,
    what: string,
    program: (services: Context.Context<Discovery>) => Effect.Effect<void, unknown>
  ): Effect.Effect<void, unknown> {
    return Effect.suspend(() => {
      const participation = this.session.value
      if (participation === undefined) return Effect.fail(this.#notTakingPart(method, what))
      const { registrations, services } = participation
      const hosted = Effect.forkIn(program(services as Context.Context<Discovery>), registrations)
      return Effect.flatMap(hosted, (fiber) => Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber)))
    })
  }

  /** @internal Runs a call for as long as this participant takes part. */
  protected ask<A>(
    method: string,
    call: (participation: Participation<Services>) => Effect.Effect<A, unknown>
  ): Promise<A> {
    const participation = this.session.value
    if (participation === undefined)
      return handled(Promise.reject(this.#notTakingPart(method, `${method}() was called`)))
    const answered = Effect.gen(this, function* () {
      const exit = yield* Fiber.await(yield* Effect.forkIn(call(participation), participation.calls))
      if (Exit.isFailure(exit) && Cause.isInterrupted(exit.cause)) return yield* Effect.fail(this.#endedBefore(method))
      return yield* exit
    })
    return run(answered)
  }

  #discovery<A>(method: string, call: (discovery: Discovery.Service) => Effect.Effect<A, unknown>): Promise<A> {
    return this.ask(method, ({ services }) => call(Context.get(services, Discovery)))
  }

  #notTakingPart(method: string, what: string): Error {
    const reason = `${what} while this process doesn't take part at ${this.address}. Await ${this.#begin}() first, and again after teardown().`
    return notOpen(method, this.address, reason)
  }

  #endedBefore(method: string): Error {
    return notOpen(method, this.address, `teardown() was called before ${method}() was done.`)
  }
}

/**
 * The services of a participant and the scopes of its calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Participation<Services> {
  readonly services: Context.Context<Services | Discovery>
  /** The scope of every registration. */
  readonly registrations: Scope.Scope
  /** The scope of every call. */
  readonly calls: Scope.Scope
}

const parallelScope = Effect.acquireRelease(Scope.make(ExecutionStrategy.parallel), Scope.close)

const within = (timeoutMs: number | undefined): RequestOptions =>
  timeoutMs === undefined ? {} : { timeout: timeoutMs }

const toRoutingStrategies = (
  strategies: Readonly<Record<string, Strategy>> = {}
): Readonly<Record<string, RoutingStrategy>> =>
  Object.fromEntries(Object.entries(strategies).map(([api, strategy]) => [api, toRoutingStrategy(strategy)]))
