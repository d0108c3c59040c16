/** A bare pipe of `net`, in processes that have streamed elements by effect-ipc before: what V8 then makes of any buffers. */
import * as net from "./net.mjs"
import * as ours from "./ours.mjs"

const variant = "branded"

export const serve = async () => ({ pipe: await net.serve(), elements: await ours.serve(variant) })

export const connect = async (ports) => {
  const elements = await ours.connect(ports.elements, variant)
  const pipe = await net.connect(ports.pipe)
  let haveStreamed = false
  return {
    consume: async (what, millis) => {
      if (!haveStreamed) {
        await elements.consume("elements", 2000)
        await elements.consume("events", 2000)
      }
      haveStreamed = true
      return pipe.consume(what, millis)
    }
  }
}
