/**
 * Programs written for `@grest-ts/ipc` compile with another import. Nothing here runs: `tsc --noEmit` is the test.
 */
import {
  INTERNAL_SOCKET_PATH,
  IPCClient,
  type IPCClientRequest,
  IPCServer,
  type IPCServerRequest,
  IPCSocket,
  type SocketMessage
} from "effect-ipc/promise"
import { WebSocket } from "ws"

interface Entry {
  api: string
  baseUrl: string
}

const Register: IPCServerRequest<Entry[], void> = IPCServer.defineRequest<Entry[], void>("register")
const Discover = IPCServer.defineRequest<string, { success: boolean; url?: string }>("discover")
const Update = IPCClient.defineRequest<{ key: string; value: unknown }, boolean>("update")
const Reset: IPCClientRequest<void, void> = "reset" as IPCClientRequest<void, void>

/** Both ends are wrapped by generic helpers, which name the types of a request. */
class Runner {
  constructor(
    private readonly server: IPCServer,
    private readonly client: IPCClient
  ) {}

  async command<Req, Res>(runtimeId: string, type: IPCClientRequest<Req, Res>, payload: Req): Promise<Res> {
    return this.server.sendFrameworkMessage(runtimeId, type, payload, 500)
  }

  async ask<Req, Res>(type: IPCServerRequest<Req, Res>, payload: Req): Promise<Res> {
    return this.client.sendFrameworkRequest<Req, Res>(type, payload)
  }

  answer<Req, Res>(type: IPCServerRequest<Req, Res>, handler: (payload: Req, msg: SocketMessage) => Promise<Res>) {
    this.server.onFrameworkMessage<Req, Res>(type, async (payload, msg) => handler(payload, msg))
  }

  serve<Req, Res>(type: IPCClientRequest<Req, Res>, handler: (payload: Req) => Promise<Res>) {
    this.client.onFrameworkRequest<Req, Res>(type, handler)
  }
}

export const program = async (): Promise<void> => {
  const server = new IPCServer()
  if (!(await server.start())) return
  const client = new IPCClient(server.getPort())
  await client.connect("worker")
  client.onClose(() => undefined)
  const runner = new Runner(server, client)

  server.onFrameworkMessage(Register, async (entries, msg) => {
    const data: Entry[] = msg.data
    const runtimeId: string | undefined = msg.runtimeId
    void [entries.length, data, runtimeId, msg.clientId]
  })
  runner.answer(Discover, async (api) => ({ success: api !== "" }))
  runner.serve(Update, async ({ value }) => value !== undefined)
  await runner.ask(Register, [{ api: "users", baseUrl: server.getUrl() }])
  const url: string | undefined = (await client.sendFrameworkRequest(Discover, "users")).url
  const done: boolean = await runner.command("worker", Update, { key: "a", value: url })
  await server.sendFrameworkMessage("worker", Reset, undefined)
  await server.sendFrameworkMessage<{ key: string; value: unknown }, boolean>("worker", Update, { key: "a", value: 1 })

  // The path's parameters and the headers may be declared optional.
  // biome-ignore lint/suspicious/noExplicitAny: as the original's callers write it
  server.interceptHttp("GET", "/users/:id", async (_body: any, pathParams?: Record<string, string>) => pathParams?.id)
  server.interceptHttp(
    "POST",
    "/users",
    async (body: { name: string }, _params?: Record<string, string>, headers?: Record<string, string>) => [
      body.name,
      headers?.accept,
      done
    ]
  )
  server.setRouteProxyResolver((path: string): string => path)
  client.disconnect()
  await server.teardown()

  const socket = new IPCSocket(new WebSocket(`ws://localhost:9000${INTERNAL_SOCKET_PATH}`))
  socket.onRequest("double", async (data) => Number(data) * 2)
  socket.onMessage("note", (data) => void data)
  socket.onClose(() => {})
  socket.onError((error: Error) => void error.message)
  socket.send("note", { a: 1 })
  const answer: number = await socket.request<number>("double", 2, 500)
  void [answer, socket.isConnected()]
  socket.close()
  socket.teardown()
}
