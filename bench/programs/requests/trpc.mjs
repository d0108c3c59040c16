import { createTRPCClient, createWSClient, wsLink } from "@trpc/client"
import { initTRPC } from "@trpc/server"
import { applyWSSHandler } from "@trpc/server/adapters/ws"
import { WebSocket, WebSocketServer } from "ws"
import { loadOf } from "../load.mjs"

export const serve = async () => {
  const t = initTRPC.create()
  const router = t.router({ echo: t.procedure.input((payload) => payload).mutation(({ input }) => input) })
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  applyWSSHandler({ wss: server, router })
  await new Promise((resolve) => server.on("listening", resolve))
  return { port: server.address().port }
}

export const connect = async (port) => {
  const client = createTRPCClient({
    links: [wsLink({ client: createWSClient({ url: `ws://127.0.0.1:${port}`, WebSocket }) })]
  })
  const call = (payload) => client.echo.mutate(payload)
  return { call, load: loadOf(call) }
}
