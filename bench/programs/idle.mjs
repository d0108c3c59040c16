/** A server with nothing but connections: `idle.mjs ws|ours`, or `idle.mjs client` that opens them. Run with --expose-gc. */
import { WebSocket, WebSocketServer } from "ws"
import { answering } from "./answering.mjs"

const servers = {
  ws: async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
    server.on("connection", (ws) => ws.on("message", () => {}))
    await new Promise((resolve) => server.on("listening", resolve))
    return server.address().port
  },
  ours: async () => {
    const { IPCServer } = await import("effect-ipc")
    const { NodeIPCServer } = await import("effect-ipc/node")
    const { running } = await import("./effects.mjs")
    const Effect = await import("effect/Effect")
    return running(
      NodeIPCServer.layer(),
      Effect.map(IPCServer, ({ port }) => port)
    )
  }
}

const open = []

const openOne = (port, name) =>
  new Promise((resolve, reject) => {
    const url = name === "ours" ? `ws://127.0.0.1:${port}/__ipc?runtimeId=r${open.length}` : `ws://127.0.0.1:${port}`
    const ws = new WebSocket(url, name === "ours" ? ["effect-ipc.plain", "effect-ipc.1"] : [], {
      perMessageDeflate: false
    })
    ws.on("open", resolve)
    ws.on("error", reject)
    open.push(ws)
  })

answering({
  serve: (name) => servers[name](),
  connect: async (name, port, count) => {
    for (let left = count; left > 0; left -= 100) {
      await Promise.all(Array.from({ length: Math.min(left, 100) }, () => openOne(port, name)))
    }
  },
  disconnect: async () => {
    await Promise.all(
      open.splice(0).map((ws) => {
        ws.close()
        return new Promise((resolve) => ws.on("close", resolve))
      })
    )
  }
})
