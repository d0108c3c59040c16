/**
 * The original's side of the protocol, of which all is `ws`, `node:http` and string concatenation: plain frames, one path,
 * `No handler for: x`. Told in lines what to be:
 *
 * - `serve <port> <quirks>`: a server that answers `add`, and asks each client `echo` when told `ask <runtimeId> <text>`.
 * - `connect <port> <runtimeId>`: a client that answers `echo`; `request <name> <json>` sends a request.
 * - `join <port> <options>`: a participant; `standalone <port> <options>`: a standalone gateway, which tells whether it started.
 */
import * as http from "node:http"
import type { Duplex } from "node:stream"
import { type RawData, WebSocket, WebSocketServer } from "ws"

const path = "/__ggFrameworkConnection"

interface Quirks {
  /** How another path is refused. */
  readonly refusal: "hangUp" | "status"
  /** Whether the first subprotocol offered is echoed, as ws does by itself, or none answered. */
  readonly subprotocol: "echo" | "none"
}

type Handler = (data: unknown, client: Peer) => unknown

interface Entry {
  readonly api: string
  readonly baseUrl: string
  readonly pathPrefix: string
}

const say = (word: string, rest: unknown = "") =>
  console.log(`${word} ${typeof rest === "string" ? rest : JSON.stringify(rest)}`)

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** One end of a connection. */
class Peer {
  private count = 0
  private readonly pending = new Map<string, { resolve: (data: unknown) => void; reject: (error: Error) => void }>()

  constructor(
    readonly webSocket: WebSocket,
    readonly runtimeId: string | null,
    private readonly handlers: ReadonlyMap<string, Handler>
  ) {
    webSocket.on("message", (message: RawData) => void this.receive(String(message)))
    webSocket.on("error", () => {})
    webSocket.on("close", () => {
      for (const { reject } of this.pending.values()) reject(new Error("closed"))
    })
  }

  request(name: string, data?: unknown): Promise<unknown> {
    const id = String(++this.count)
    this.webSocket.send(`r:${id}:${name}:${data === undefined ? "" : JSON.stringify(data)}`)
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }))
  }

  private async receive(text: string): Promise<void> {
    const [type, id = "", name = "", ...rest] = text.split(":")
    const json = rest.join(":")
    const data: unknown = json === "" ? undefined : JSON.parse(json)
    if (type === "s") return this.settle(id, data as { success: boolean; data?: unknown; error?: string })
    const handler = this.handlers.get(name)
    if (type !== "r") return void handler?.(data, this)
    try {
      if (handler === undefined) throw new Error(`No handler for: ${name}`)
      const answer = await handler(data, this)
      this.webSocket.send(`s:${id}:${name}:${JSON.stringify({ success: true, data: answer })}`)
    } catch (error) {
      this.webSocket.send(`s:${id}:${name}:${JSON.stringify({ success: false, error: (error as Error).message })}`)
    }
  }

  private settle(id: string, { data, error, success }: { success: boolean; data?: unknown; error?: string }): void {
    const request = this.pending.get(id)
    this.pending.delete(id)
    if (success) request?.resolve(data)
    else request?.reject(new Error(error))
  }
}

class Server {
  readonly clients = new Set<Peer>()
  readonly handlers = new Map<string, Handler>()
  onDisconnect: (client: Peer) => void = () => {}
  proxy: (path: string) => string | undefined = () => undefined
  private readonly http = http.createServer((request, response) => this.forward(request, response))

  constructor(quirks: Quirks = { refusal: "hangUp", subprotocol: "echo" }) {
    const webSockets = new WebSocketServer({
      noServer: true,
      ...(quirks.subprotocol === "none" ? { handleProtocols: () => false as const } : {})
    })
    this.http.on("upgrade", (request, socket: Duplex, head) => {
      const url = new URL(request.url ?? "", "http://localhost")
      if (url.pathname !== path) {
        if (quirks.refusal === "status") socket.end("HTTP/1.1 404 Not Found\r\n\r\n")
        else socket.destroy()
        return
      }
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const client = new Peer(webSocket, url.searchParams.get("runtimeId"), this.handlers)
        this.clients.add(client)
        webSocket.on("close", () => {
          this.clients.delete(client)
          this.onDisconnect(client)
        })
        say("connected", client.runtimeId ?? "")
      })
    })
  }

  /** Whether the port was free. */
  listen(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.http.once("error", () => resolve(false))
      this.http.listen(port, "127.0.0.1", () => resolve(true))
    })
  }

  close(): Promise<void> {
    for (const { webSocket } of this.clients) webSocket.terminate()
    return new Promise((resolve) => {
      this.http.close(() => resolve())
      this.http.closeAllConnections()
    })
  }

  private forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    const baseUrl = this.proxy(request.url ?? "")
    if (baseUrl === undefined) return void response.writeHead(404).end()
    const { headers, method } = request
    const upstream = http.request(`${baseUrl}${request.url}`, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    upstream.on("error", () => response.writeHead(502).end())
    request.pipe(upstream)
  }
}

const connect = (port: number, runtimeId: string, handlers: ReadonlyMap<string, Handler>): Promise<Peer> =>
  new Promise((resolve, reject) => {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}?runtimeId=${encodeURIComponent(runtimeId)}`)
    webSocket.once("open", () => resolve(new Peer(webSocket, runtimeId, handlers)))
    webSocket.once("error", reject)
  })

interface Options {
  readonly runtimeId: string
  /** An entry for each; all lead to a service of this process, which answers its name. */
  readonly apis: ReadonlyArray<string>
}

class Participant {
  private standaloneSeen = false
  private registered: ReadonlyArray<Entry> = []

  constructor(
    private readonly port: number,
    private readonly options: Options
  ) {}

  async serveApis(): Promise<void> {
    const service = http.createServer((_, response) => response.end(this.options.runtimeId))
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve))
    const { port } = service.address() as { readonly port: number }
    const baseUrl = `http://127.0.0.1:${port}`
    this.registered = this.options.apis.map((api) => ({ api, baseUrl, pathPrefix: `/${api}` }))
  }

  /** Takes part for as long as the process lives. */
  async run(): Promise<void> {
    while (true) {
      if (!this.standaloneSeen) await this.lead("embedded")
      await this.follow().catch(() => {})
      await pause(20)
    }
  }

  /** Resolves once the port isn't led from here any more, at once where it is in use. */
  async lead(kind: "embedded" | "bin", onStarted: (started: boolean) => void = () => {}): Promise<void> {
    const server = new Server()
    const entries = new Map<Peer | "own", Array<Entry>>([["own", [...this.registered]]])
    const all = () => [...entries.values()].flat()
    let yielded = () => {}
    const untilYielded = new Promise<void>((resolve) => {
      yielded = resolve
    })
    server.onDisconnect = (client) => entries.delete(client)
    server.proxy = (path) => all().findLast(({ pathPrefix }) => path.startsWith(pathPrefix))?.baseUrl
    server.handlers
      .set("discovery/register", (data, client) => {
        entries.set(client, [...(entries.get(client) ?? []), ...(data as Array<Entry>)])
        say("registered", (data as Array<Entry>).map(({ api }) => api).join())
      })
      .set("discovery/unregister", (data, client) => {
        const gone = (data as Array<Entry>).map((entry) => JSON.stringify(entry))
        entries.set(
          client,
          (entries.get(client) ?? []).filter((entry) => !gone.includes(JSON.stringify(entry)))
        )
      })
      .set("discovery/discoverApi", (api) =>
        all().some((entry) => entry.api === api)
          ? { success: true, url: `http://127.0.0.1:${this.port}` }
          : { success: false, error: `no ${api}` }
      )
      .set("discovery/getServerInfo", () => ({ kind }))
    if (kind === "embedded") server.handlers.set("discovery/requestYield", () => void setTimeout(yielded, 10))
    const started = await server.listen(this.port)
    onStarted(started)
    if (!started) return
    say("role", "leader")
    await untilYielded
    await server.close()
    // The standalone gateway is to have the port.
    await pause(500)
  }

  /** Resolves when the leader is gone. */
  private async follow(): Promise<void> {
    const leader = await connect(this.port, this.options.runtimeId, new Map())
    const { kind } = (await leader.request("discovery/getServerInfo")) as { readonly kind: string }
    this.standaloneSeen ||= kind === "bin"
    await leader.request("discovery/register", this.registered)
    current = leader
    say("role", "follower")
    await new Promise((resolve) => leader.webSocket.once("close", resolve))
    say("role", "electing")
  }

  /** As a standalone gateway, against which no participant bids. Tells whether it has the port. */
  async standalone(): Promise<boolean> {
    for (let attempt = 0; attempt < 50; attempt++) {
      let started = false
      await new Promise<void>((resolve) => {
        void this.lead("bin", (result) => {
          started = result
          resolve()
        })
      })
      if (started) return true
      const leader = await connect(this.port, this.options.runtimeId, new Map()).catch(() => undefined)
      const info = await leader?.request("discovery/getServerInfo").catch(() => undefined)
      if ((info as { readonly kind: string } | undefined)?.kind === "bin") return false
      await leader?.request("discovery/requestYield").catch(() => undefined)
      leader?.webSocket.terminate()
      await pause(20)
    }
    return false
  }
}

/** The connection that `request` uses. */
let current: Peer | undefined
let serving: Server | undefined

const echo = new Map<string, Handler>([["echo", (text) => `original ${text}`]])

const told: Record<string, (rest: ReadonlyArray<string>) => Promise<void>> = {
  serve: async ([port, quirks = "{}"]) => {
    serving = new Server(JSON.parse(quirks) as Quirks)
    serving.handlers.set("add", (data) => {
      const { a, b } = data as { readonly a: number; readonly b: number }
      return a + b
    })
    say("serving", await serving.listen(Number(port)))
  },
  ask: async ([runtimeId, ...text]) => {
    const client = [...(serving?.clients ?? [])].find((each) => each.runtimeId === runtimeId)
    say("answer", await client?.request("echo", text.join(" ")))
  },
  connect: async ([port, runtimeId = ""]) => {
    current = await connect(Number(port), runtimeId, echo)
    say("open")
  },
  request: async ([name = "", ...json]) => {
    const data = json.length === 0 ? undefined : JSON.parse(json.join(" "))
    say("answer", (await current?.request(name, data).catch((error) => `error ${error.message}`)) ?? "nothing")
  },
  join: async ([port, ...options]) => {
    const participant = new Participant(Number(port), JSON.parse(options.join(" ")) as Options)
    await participant.serveApis()
    void participant.run()
  },
  standalone: async ([port, ...options]) => {
    const participant = new Participant(Number(port), JSON.parse(options.join(" ")) as Options)
    await participant.serveApis()
    say("started", await participant.standalone())
  }
}

process.stdin.on("end", () => process.exit())
let line = ""
process.stdin.on("data", (chunk) => {
  const lines = `${line}${chunk}`.split("\n")
  line = lines.pop() ?? ""
  for (const each of lines) {
    const [word = "", ...rest] = each.split(" ")
    void told[word]?.(rest)
  }
})
say("ready")
