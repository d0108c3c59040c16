/**
 * Frames that have arrived and wait to be handled. Handling a large frame takes milliseconds, and the kernel's buffer of a
 * Unix socket holds less than one. So each turn of the event loop handles one and then reads what has arrived meanwhile, and
 * the peer goes on writing.
 *
 * @internal
 */
import { clearImmediate, setImmediate } from "node:timers"

/** While this many bytes wait, nothing more is read. */
const mostWaitingBytes = 512 * 1024

interface ArrivedFrame {
  readonly kind: number
  readonly body: Buffer
  readonly takesLong: boolean
}

export class ReadAhead {
  /** The size of the frames that wait, in bytes. */
  bytes = 0
  private frames: Array<ArrivedFrame> = []
  private turn: NodeJS.Immediate | undefined

  constructor(
    private readonly onFrame: (kind: number, body: Buffer) => void,
    /** Called when fewer bytes wait than before. */
    private readonly onHandled: () => void
  ) {}

  /** Whether reading must pause until a frame is handled. */
  get isFull(): boolean {
    return this.bytes > mostWaitingBytes
  }

  /** Handles a small frame at once, unless another one waits. Copies a body that isn't its own and has to wait. */
  add(kind: number, body: Buffer, isOwn: boolean, takesLong: boolean): void {
    if (this.frames.length === 0 && !takesLong) return this.onFrame(kind, body)
    this.frames.push({ kind, body: isOwn ? body : Buffer.from(body), takesLong })
    this.bytes += body.length
    this.turn ??= setImmediate(handleNext, this)
  }

  /** Handles all at once. */
  flush(): void {
    while (this.frames.length > 0) this.handle()
    this.clear()
  }

  /** Drops all frames that wait. */
  clear(): void {
    if (this.turn !== undefined) clearImmediate(this.turn)
    this.turn = undefined
    this.frames = []
    this.bytes = 0
  }

  /** Handles one frame, and the small ones that follow it. */
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
