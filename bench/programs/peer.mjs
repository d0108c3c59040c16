/**
 * One end of one peer: `peer.mjs server|client NAME [VARIANT]`. The module `requests/NAME.mjs` exports
 * `serve(variant): {port, load?}` and `connect(port, variant): {load, call}`; a `load` of the server's asks the client.
 */
import { deepStrictEqual } from "node:assert"
import { answering } from "./answering.mjs"
import { payloads } from "./payloads.mjs"

const [role, name, variant] = process.argv.slice(2)
const peer = await import(`./requests/${name}.mjs`)
let end

answering({
  serve: async () => {
    end = await peer.serve(variant)
    return end.port
  },
  connect: async (port) => {
    end = await peer.connect(port, variant)
    for (const payload of Object.values(payloads)) deepStrictEqual(await end.call(payload), payload)
  },
  load: (kind, inFlight, millis) => end.load(kind, inFlight, millis),
  role: () => role
})
