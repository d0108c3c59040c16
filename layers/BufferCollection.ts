/**
 * Frees buffers that the application has got and dropped. They can't be used again as BufferPool's are: nothing tells when the
 * application has dropped one.
 *
 * Their memory is outside V8's heap. V8 frees those that nothing refers to when it collects its young generation. That takes a
 * third of a millisecond, and V8 does it by itself once they hold 32 MiB. But in a process that has run for a while, V8 marks
 * its whole heap once they hold 8 MiB. That takes 15 milliseconds and more, so that a stream of bytes is three times as slow.
 * So the young generation is collected before.
 *
 * @internal
 */
import * as V8 from "node:v8"
import * as VM from "node:vm"

/** Half of V8's 8 MiB, since V8 notices what was freed only the next time. In bytes. */
const mostHeld = 4 * 1024 * 1024

let held = 0
let collect: (() => void) | undefined

/** Tells of a buffer that was allocated for the application, with its length in bytes. */
export const allocated = (length: number): void => {
  held += length
  if (held < mostHeld) return
  held = 0
  collect ??= minorCollection()
  collect()
}

/** Does nothing in a process whose V8 can't be asked for it. */
const minorCollection = (): (() => void) => {
  try {
    const gc = newContextsGC() ?? exposed()
    return () => void gc({ type: "minor" })
  } catch {
    return () => {}
  }
}

/** V8's function, where the process was started with the flag. The global one may be the program's own. */
const newContextsGC = (): NodeJS.GCFunction | undefined => VM.runInNewContext("globalThis.gc")

/** V8's function is there only in contexts that are made while the flag is set, so that no other code gets it. */
const exposed = (): NodeJS.GCFunction => {
  V8.setFlagsFromString("--expose-gc")
  try {
    return VM.runInNewContext("gc")
  } finally {
    V8.setFlagsFromString("--no-expose-gc")
  }
}
