/**
 * One end of one peer that streams: `stream-peer.mjs server|client NAME [VARIANT]`. The module `streams/NAME.mjs` exports
 * `serve(variant): port` and `connect(port, variant): {consume(what, millis)}`, which takes what the server sends without end.
 */
import { answering } from "./answering.mjs"

const [, name, variant] = process.argv.slice(2)
const peer = await import(`./streams/${name}.mjs`)
let end

answering({
  serve: () => peer.serve(variant),
  connect: async (port) => {
    end = await peer.connect(port, variant)
  },
  consume: (what, millis) => end.consume(what, millis)
})
