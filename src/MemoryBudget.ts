/**
 * A bound, in bytes, on what the library keeps in memory for peers, over everything in the process.
 *
 * @since 0.2.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { numberIssue } from "./internal/ArgumentIssue.js"
import { check } from "./internal/OptionNames.js"
import * as Variable from "./internal/Variable.js"
import { limit } from "./internal/WholeNumber.js"

/**
 * What the library keeps in memory because a peer sent it or hasn't read it yet: frames that wait to be sent, requests in
 * flight, requests that wait. Past the bound nothing breaks; each holder gets its equal share of the bound, but for one
 * request and response. Past one and a half times the bound, a holder doesn't get those either where they are larger than
 * its share, and past twice the bound a share is 16 KiB.
 *
 * @since 0.2.0
 * @category models
 */
export class Budget {
  private readonly ledger = new Ledger()

  constructor(
    /** The bound in bytes. */
    readonly maxBytes: number
  ) {}

  /** The bytes held now. */
  get heldBytes(): number {
    return this.ledger.held
  }

  /** Whether more is held than the bound. */
  get isExceeded(): boolean {
    return this.ledger.held > this.maxBytes
  }

  /** Whether more than one and a half times the bound is held, so that nothing larger than a share is accepted. */
  get isFull(): boolean {
    return this.ledger.held > this.limit
  }

  /** Whether that many more bytes may be held. Up to a share always may. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= this.share || this.ledger.held + bytes <= this.limit
  }

  /** One and a half times the bound: up to it, pieces larger than a share are accepted. In bytes. */
  get limit(): number {
    return fullFactor * this.maxBytes
  }

  /** What one holder may have while the bound is exceeded, in bytes. */
  get share(): number {
    const { held, holders } = this.ledger
    // Holders that came earlier, when there were fewer, may have more than the present share.
    return held > mostFactor * this.maxBytes ? leastShare : Math.max(leastShare, this.maxBytes / Math.max(holders, 1))
  }

  /** Adds a holder, for example a connection. */
  open(): Account {
    return new OpenAccount(this.ledger)
  }
}

/** What all holders together have. */
class Ledger {
  held = 0
  holders = 0
}

/**
 * What one holder has.
 *
 * @since 0.2.0
 * @category models
 */
export interface Account {
  readonly bytes: number
  /** Tells how many bytes the holder has now. */
  readonly set: (bytes: number) => void
  /** The holder has nothing any more. */
  readonly close: () => void
}

class OpenAccount implements Account {
  bytes = 0
  private closed = false

  constructor(private readonly ledger: Ledger) {
    ledger.holders++
  }

  set(now: number): void {
    if (this.closed) return
    this.ledger.held += now - this.bytes
    this.bytes = now
  }

  close(): void {
    if (this.closed) return
    this.set(0)
    this.closed = true
    this.ledger.holders--
  }
}

/** A connection can always do a little, however many there are. */
const leastShare = 16 * 1024

/** One large request or response each, over the bound, is more than a small heap has where connections are many. */
const fullFactor = 1.5

/** Beyond this many times the bound, a share is the least one. */
const mostFactor = 2

/**
 * The budget of the process, for whatever isn't given another one. Without a Layer it is 256 MiB; the Node layers take a
 * quarter of V8's heap limit where that is less.
 *
 * @example
 * ```ts
 * import { MemoryBudget } from "effect-ipc"
 * import { NodeIPCServer } from "effect-ipc/node"
 * import { Layer } from "effect"
 *
 * export const Server = NodeIPCServer.layer({ port: 9000 }).pipe(
 *   Layer.provide(MemoryBudget.layer({ maxBytes: 64 * 1024 * 1024 }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category references
 */
export class MemoryBudget extends Context.Reference<MemoryBudget>()("effect-ipc/MemoryBudget", {
  defaultValue: (): Budget => new Budget(defaultMaxBytes)
}) {
  /**
   * A bound of its own, in bytes, for the layers that this is provided to.
   *
   * @since 0.2.0
   */
  static layer(options: { readonly maxBytes: number }): Layer.Layer<never> {
    return Layer.sync(MemoryBudget, () => {
      check("MemoryBudget", options, { maxBytes: numberIssue })
      return new Budget(limit(options.maxBytes, defaultMaxBytes))
    }) as Layer.Layer<never>
  }

  /**
   * The bound as `IPC_MAX_MEMORY` gives it, in bytes.
   *
   * @since 0.2.0
   */
  static layerConfig(
    options: Config.Config<{ readonly maxBytes: number }> = Config.all({ maxBytes: maxMemory })
  ): Layer.Layer<never, ConfigError> {
    return Layer.unwrapEffect(Effect.map(options, MemoryBudget.layer))
  }
}

const maxMemory = Variable.wholeNumber("IPC_MAX_MEMORY", "a number of bytes, a whole one", 0, Number.MAX_SAFE_INTEGER)

/** @internal */
export const defaultMaxBytes = 256 * 1024 * 1024
