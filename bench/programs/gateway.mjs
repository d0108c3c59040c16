/**
 * One gateway: `gateway.mjs NAME`, as its own README shows it, with keep-alive connections where it can.
 */
import { Agent, createServer } from "node:http"
import { answering } from "./answering.mjs"

const userOf = (id) => ({ id, name: `User ${id}`, email: `u${id}@example.com` })

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)))

const keepAliveAgent = () => new Agent({ keepAlive: true, maxSockets: 256 })

const badGateway = (response) => {
  response.statusCode = 502
  response.end()
}

const httpProxy = async (module, options, target) => {
  const { createProxyServer } = await import(module).then((loaded) => loaded.default ?? loaded)
  const proxy = createProxyServer(options)
  return listening(
    createServer((request, response) => proxy.web(request, response, { target }, () => badGateway(response)))
  )
}

const proxies = {
  ours: (target) => ours((server) => server.setRouteProxyResolver(() => target)),
  "ours, traced": (target) => ours((server) => server.setRouteProxyResolver(() => target), true),
  "http-proxy": (target) => httpProxy("http-proxy", {}, target),
  "http-proxy, keep-alive": (target) => httpProxy("http-proxy", { agent: keepAliveAgent() }, target),
  "http-proxy-3, keep-alive": (target) => httpProxy("http-proxy-3", { agent: keepAliveAgent() }, target),
  "httpxy, keep-alive": async (target) => {
    const { createProxyServer } = await import("httpxy")
    const proxy = createProxyServer({ agent: keepAliveAgent() })
    return listening(
      createServer((request, response) => {
        proxy.web(request, response, { target }).catch(() => badGateway(response))
      })
    )
  },
  "fast-proxy": async (target) => {
    const { default: fastProxy } = await import("fast-proxy")
    const { proxy } = fastProxy({ base: target })
    return listening(createServer((request, response) => proxy(request, response, request.url, {})))
  },
  "undici behind node:http": async (target) => {
    const { Pool } = await import("undici")
    const pool = new Pool(target, { connections: 256, pipelining: 1 })
    return listening(
      createServer((request, response) => {
        const { headers, method, url: path } = request
        const body = method === "GET" || method === "HEAD" ? null : request
        pool
          .stream({ path, method, headers, body }, ({ headers, statusCode }) => {
            response.writeHead(statusCode, headers)
            return response
          })
          .catch(() => badGateway(response))
      })
    )
  }
}

/** `GET /users/:id` answered in JSON. */
const answerers = {
  ours: () => ours(userRoute),
  "ours, traced": () => ours(userRoute, true),
  "ours, generator": async () => {
    const Effect = await import("effect/Effect")
    return ours((server) =>
      server.interceptHttp("GET", "/users/:id", (request) =>
        Effect.gen(function* () {
          return yield* Effect.succeed(userOf(request.params.id))
        })
      )
    )
  },
  "ours, facade": async () => {
    const { IPCServer } = await import("effect-ipc/promise")
    const server = new IPCServer()
    server.interceptHttp("GET", "/users/:id", async (_body, params) => userOf(params.id))
    await server.start()
    return server.getPort()
  },
  "bare node:http": () =>
    listening(
      createServer((request, response) => {
        response.setHeader("content-type", "application/json")
        response.end(JSON.stringify(userOf(request.url.slice("/users/".length))))
      })
    ),
  "platform HttpRouter": async () => {
    const HttpRouter = await import("@effect/platform/HttpRouter")
    const HttpServer = await import("@effect/platform/HttpServer")
    const HttpServerResponse = await import("@effect/platform/HttpServerResponse")
    const NodeHttpServer = await import("@effect/platform-node/NodeHttpServer")
    const Effect = await import("effect/Effect")
    const Layer = await import("effect/Layer")
    const { running } = await import("./effects.mjs")
    const http = createServer()
    const app = HttpRouter.empty.pipe(
      HttpRouter.get(
        "/users/:id",
        Effect.flatMap(HttpRouter.params, ({ id }) => HttpServerResponse.json(userOf(id)))
      ),
      HttpServer.serve()
    )
    await running(
      Layer.provide(
        app,
        NodeHttpServer.layer(() => http, { port: 0, host: "127.0.0.1" })
      ),
      Effect.void
    )
    return http.address().port
  },
  mockttp: async () => {
    const { getLocal } = await import("mockttp")
    const server = getLocal({ recordTraffic: false })
    await server.start()
    await server.forGet(/^\/users\/\w+$/).thenCallback(({ path }) => ({
      statusCode: 200,
      json: userOf(path.slice("/users/".length))
    }))
    return server.port
  }
}

const userRoute = (server, Effect) =>
  server.interceptHttp("GET", "/users/:id", (request) => Effect.succeed(userOf(request.params.id)))

const ours = async (setUp, isTraced = false) => {
  const { IPCServer } = await import("effect-ipc")
  const { NodeIPCServer } = await import("effect-ipc/node")
  const Effect = await import("effect/Effect")
  const { running } = await import("./effects.mjs")
  return running(
    NodeIPCServer.layer(),
    Effect.gen(function* () {
      const server = yield* IPCServer
      yield* setUp(server, Effect)
      return server.port
    }),
    isTraced
  )
}

answering({
  proxy: (name, target) => proxies[name](target),
  answer: (name) => answerers[name]()
})
