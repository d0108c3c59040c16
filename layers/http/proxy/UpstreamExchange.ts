/**
 * What forwarded exchanges have in common, whichever HTTP client sends them: the upstream in use, and further attempts.
 *
 * @internal
 */
import type { Upstream } from "../../../src/HttpGateway.js"
import * as LinkedList from "../../../src/internal/LinkedList.js"
import * as Userinfo from "../../../src/internal/Userinfo.js"
import * as BaseUrl from "./BaseUrl.js"
import type { ForwardedExchange } from "./Forwarder.js"

/**
 * What the exchanges of a proxy share.
 *
 * @internal
 */
export interface ExchangeContext<Exchange extends LinkedList.Linked> {
  readonly exchanges: LinkedList.LinkedList<Exchange>
  /** Called with what the program's own functions threw, and with what is the gateway's own fault. */
  readonly onDefect: (what: string, defect: unknown) => void
}

/**
 * One exchange. It is aborted when the client's connection closes.
 *
 * @internal
 */
export abstract class UpstreamExchange<Context extends ExchangeContext<LinkedList.Linked>>
  implements LinkedList.Linked
{
  previous: LinkedList.Linked | undefined = undefined
  next: LinkedList.Linked | undefined = undefined
  protected upstream: Upstream
  /** `again` is the second at the same upstream; `elsewhere` any at another after that one broke. */
  protected attemptKind: "first" | "again" | "elsewhere" = "first"
  /** Whether `upstream` counts as in use: until its `release` is called. */
  private isHeld = true

  constructor(
    protected readonly context: Context,
    protected readonly exchange: ForwardedExchange
  ) {
    this.upstream = exchange.upstream
    context.exchanges.add(this)
    exchange.response.once("close", () => this.abort())
  }

  /** Ends the exchange on both sides, whatever its state. */
  abstract abort(): void

  /** Ends the exchange with its upstream. */
  protected abstract end(): void

  protected fail(status: number, message: string): void {
    this.end()
    this.exchange.refuse(status, message)
  }

  /** Where the upstream is; undefined, and the exchange has failed, where its base URL isn't one. */
  protected baseUrl(): BaseUrl.BaseUrl | undefined {
    const { baseUrl } = this.upstream
    const base = BaseUrl.parseBaseUrl(baseUrl)
    if (base === undefined) {
      this.fail(
        502,
        `The upstream for ${this.exchange.target} is ${JSON.stringify(Userinfo.hidden(baseUrl))}, which is no http URL. The proxy resolver returns one like http://127.0.0.1:3000.`
      )
    }
    return base
  }

  /** Whether the request may be sent once more without a body (RFC 9110 section 9.2.2). */
  protected hasSafeMethod(): boolean {
    const { method } = this.exchange.request
    return method === "GET" || method === "HEAD" || method === "OPTIONS"
  }

  /**
   * Whether there is another attempt after a broken connection: a kept-alive one may have been stale. If a new one breaks as
   * well, the upstream is about to end.
   */
  protected toAnotherAttempt(): boolean {
    if (this.attemptKind !== "first") return this.attemptKind === "again" && this.toNext()
    this.attemptKind = "again"
    return true
  }

  /** Whether there is another upstream, which then is the one in use. */
  protected toNext(): boolean {
    if (this.upstream.next === undefined) return false
    this.release()
    const next = BaseUrl.nextOf(this.upstream, this.context.onDefect)
    if (next === undefined) return false
    this.upstream = next
    this.isHeld = true
    if (this.attemptKind === "again") this.attemptKind = "elsewhere"
    return true
  }

  /** To be called at the end. */
  protected leave(): void {
    LinkedList.remove(this)
    this.release()
  }

  private release(): void {
    if (!this.isHeld) return
    this.isHeld = false
    if (this.upstream.release === undefined) return
    try {
      this.upstream.release()
    } catch (defect) {
      this.context.onDefect("An upstream's release() threw", defect)
    }
  }
}

/**
 * How the attempt at an upstream ends when the client disconnects.
 *
 * @internal
 */
export const clientDisconnected = (): Error => new Error("The client has disconnected")
