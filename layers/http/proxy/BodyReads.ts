/**
 * When the memory that a body of an upstream was read into can be used again.
 *
 * Between two chunks of one body stands nothing but the lengths of chunks, and nothing refers to those. So what was read is
 * given back as the chunks are written. Before the first chunk there may be a head, and after the last one a trailer: undici
 * keeps views of them, so such a read isn't given back.
 *
 * @internal
 */
import * as BufferPool from "../../BufferPool.js"

/**
 * The reads of one body.
 *
 * @internal
 */
export class BodyReads {
  /** What the last chunk is of, and where it ends there. */
  #loan: BufferPool.Loan | undefined
  #end = 0
  #hasBegun = false

  /** To be called with each chunk in turn. Returns what is to be called once the chunk is written. */
  next(chunk: Buffer): (() => void) | undefined {
    const loan = BufferPool.loanOf(chunk)
    const isSame = loan === this.#loan
    const from = !this.#hasBegun ? chunk.byteOffset : isSame ? this.#end : 0
    const to = chunk.byteOffset + chunk.length
    if (!isSame) this.end()
    this.#loan = loan
    this.#end = to
    this.#hasBegun = true
    return loan && (() => loan.giveBack(from, to))
  }

  /** To be called where what comes after the last chunk is no trailer. */
  end(): void {
    this.#loan?.shorten(this.#end)
  }
}
