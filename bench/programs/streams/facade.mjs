/** The promise facade: generators and loops. */
import { IPCRequest } from "effect-ipc"
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { startRun } from "../load.mjs"
import { chunk, element } from "../streamed.mjs"

const Elements = IPCServer.defineStream("elements")
const Bytes = IPCServer.defineStream("bytes", { element: IPCRequest.Bytes })

async function* endless(one) {
  for (;;) yield one
}

export const serve = async () => {
  const server = new IPCServer()
  server.onStream(Elements, () => endless(element))
  server.onStream(Bytes, () => endless(chunk))
  await server.start()
  return server.getPort()
}

export const connect = async (port) => {
  const client = new IPCClient(port)
  await client.connect()
  return {
    consume: async (what, millis) => {
      const run = startRun(millis)
      for await (const _ of client.openStream(what === "bytes" ? Bytes : Elements)) {
        run.count++
        if (run.over) break
      }
      return run.end()
    }
  }
}
