/**
 * Frames that have arrived and wait to be handled. Handling a large one takes milliseconds, and the kernel's buffer of a Unix
 * socket holds less than one. So a turn of the event loop handles one, and what has arrived meanwhile is read before the
 * next: the peer writes on while this end works.
 *
 * @internal
 */
import { clearImmediate, setImmediate } from "node:timers"

/** Past so many bytes no more is read. */
const mostWaitingBytes = 512 * 1024

interface ArrivedFrame {
  readonly kind: number
  readonly body: Buffer
  readonly takesLong: boolean
}

export class ReadAhead {
  /** How much waits, in bytes. */
  bytes = 0
  private frames: Array<ArrivedFrame> = []
  private turn: NodeJS.Immediate | undefined

  constructor(
    private readonly onFrame: (kind: number, body: Buffer) => void,
    /** Fewer bytes wait. */
    private readonly onHandled: () => void
  ) {}

  /** Whether nothing more is to be read before something is handled. */
  get isFull(): boolean {
    return this.bytes > mostWaitingBytes
  }

  /** Handles a frame that doesn't take long at once, unless another one waits. */
  add(kind: number, body: Buffer, takesLong: boolean): void {
    if (this.frames.length === 0 && !takesLong) return this.onFrame(kind, body)
    // What is longer than one read is in memory of its own already.
    this.frames.push({ kind, body: takesLong ? body : Buffer.from(body), takesLong })
    this.bytes += body.length
    this.turn ??= setImmediate(handleNext, this)
  }

  /** Handles all at once. */
  flush(): void {
    while (this.frames.length > 0) this.handle()
    this.clear()
  }

  /** Forgets all. */
  clear(): void {
    if (this.turn !== undefined) clearImmediate(this.turn)
    this.turn = undefined
    this.frames = []
    this.bytes = 0
  }

  /** Handles one, and those behind it that don't take long. */
  handleNext(): void {
    this.turn = undefined
    do this.handle()
    while (this.frames[0]?.takesLong === false)
    if (this.frames.length > 0) this.turn = setImmediate(handleNext, this)
    this.onHandled()
  }

  private handle(): void {
    const frame = this.frames.shift()
    if (frame === undefined) return
    this.bytes -= frame.body.length
    this.onFrame(frame.kind, frame.body)
  }
}

const handleNext = (readAhead: ReadAhead) => readAhead.handleNext()
