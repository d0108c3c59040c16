/** A bare pipe of `net`: bytes alone. */
import { connect as connectSocket, createServer } from "node:net"
import { startRun } from "../load.mjs"
import { chunk, sendWithoutEnd } from "../streamed.mjs"

export const serve = async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {})
    sendWithoutEnd(
      socket,
      () => socket.write(chunk),
      () => socket.writableNeedDrain
    )
  })
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
  return server.address().port
}

export const connect = async (port) => ({
  consume: (_what, millis) =>
    new Promise((resolve) => {
      const socket = connectSocket(port, "127.0.0.1", () => {
        const run = startRun(millis)
        let taken = 0
        socket.on("data", (data) => {
          taken += data.length
          run.count = taken / chunk.length
          if (!run.over) return
          socket.destroy()
          resolve({ ...run.end(), taken })
        })
      })
    })
})
