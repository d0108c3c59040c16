/**
 * What compiles and what doesn't: checked by `tsc --noEmit`, never run.
 */

import * as Schema from "effect/Schema"
import {
  type ElementStream,
  Gateway,
  IPCClient,
  IPCServer,
  LocalDiscovery,
  type Role,
  type Route,
  type RouteProxyResolver
} from "effect-ipc/promise"
import { Double, Find, Greet, Hang, Lookup, NotFound } from "./requests.js"

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equals<A, B>): void => {}

export const serverSide = async (server: IPCServer): Promise<void> => {
  same<ReturnType<typeof server.start>, Promise<boolean>>(true)

  server.onFrameworkMessage(Greet, async (payload, caller) => {
    same<typeof payload, { readonly name: string }>(true)
    same<typeof caller.runtimeId, string | undefined>(true)
    return `Hello, ${payload.name} of ${caller.clientId}`
  })
  server.onFrameworkMessage(Greet, ({ name }) => name)
  server.onFrameworkMessage(Hang, async () => {})
  server.onFrameworkMessage(Find, async ({ id, since }) => ({ name: `${id}`, born: since }))
  // @ts-expect-error a client's request
  server.onFrameworkMessage(Double, async (n: number) => n)
  // @ts-expect-error the result is a string
  server.onFrameworkMessage(Greet, async () => 1)
  // @ts-expect-error the result is a string
  server.onFrameworkMessage(Greet, () => 1)
  // @ts-expect-error born is missing
  server.onFrameworkMessage(Find, async () => ({ name: "x" }))
  // @ts-expect-error the payload has no age
  server.onFrameworkMessage(Greet, async ({ age }) => `${age}`)
  // @ts-expect-error the payload has a name
  server.onFrameworkMessage(Greet, async (payload: { readonly age: number }) => `${payload.age}`)

  const doubled = await server.sendFrameworkMessage("worker", Double, 1)
  same<typeof doubled, number>(true)
  const found = await server.sendFrameworkMessage("worker", Lookup, 1, 500)
  same<typeof found, string>(true)
  // @ts-expect-error a server's request
  await server.sendFrameworkMessage("worker", Greet, { name: "Ada" })
  // @ts-expect-error the payload is a number
  await server.sendFrameworkMessage("worker", Double, "1")
  // @ts-expect-error the payload is missing
  await server.sendFrameworkMessage("worker", Double)
  // @ts-expect-error a name alone says nothing of the payload
  await server.sendFrameworkMessage("worker", "double", 1)

  server.onClientDisconnect((clientId, runtimeId) => {
    same<typeof clientId, string>(true)
    same<typeof runtimeId, string | undefined>(true)
  })

  server.interceptHttp("GET", "/users/:id", async (body, pathParams, headers) => {
    same<typeof body, unknown>(true)
    same<typeof pathParams, Readonly<Record<string, string>>>(true)
    return headers.accept
  })
  server.interceptHttp("POST", "/users", ({ name }: { readonly name: string }) => ({ name }))
  server.interceptHttp("PURGE", "/users", async () => {})
  // @ts-expect-error a handler is a function
  server.interceptHttp("GET", "/users", { status: 200 })

  const resolver: RouteProxyResolver = (path) => (path === "/" ? undefined : { baseUrl: "http://127.0.0.1:1" })
  server.setRouteProxyResolver(resolver)
  server.setRouteProxyResolver((path) => (path.startsWith("/users") ? "http://127.0.0.1:1" : undefined))
  // @ts-expect-error a resolver answers at once
  server.setRouteProxyResolver(async () => "http://127.0.0.1:1")

  // @ts-expect-error the port is the first argument
  new IPCServer(0, { port: 1 })
  new IPCServer(0, { token: "a secret of the tests", host: "0.0.0.0", requestTimeout: "2 seconds" })
}

export const clientSide = async (client: IPCClient): Promise<void> => {
  client.onFrameworkRequest(Double, async (n) => {
    same<typeof n, number>(true)
    return n * 2
  })
  client.onFrameworkRequest(Lookup, (id) => `${id}`)
  // @ts-expect-error a server's request
  client.onFrameworkRequest(Greet, async () => "hello")
  // @ts-expect-error the result is a number
  client.onFrameworkRequest(Double, async (n) => `${n}`)

  const greeting = await client.sendFrameworkRequest(Greet, { name: "Ada" })
  same<typeof greeting, string>(true)
  const user = await client.sendFrameworkRequest(Find, { id: 1, since: new Date() }, 500)
  same<typeof user, { readonly name: string; readonly born: Date }>(true)
  await client.sendFrameworkRequest(Hang)
  await client.sendFrameworkRequest(Hang, undefined, 500)
  // @ts-expect-error a client's request
  await client.sendFrameworkRequest(Double, 1)
  // @ts-expect-error the payload has a name
  await client.sendFrameworkRequest(Greet, { age: 1 })
  // @ts-expect-error the payload is missing
  await client.sendFrameworkRequest(Greet)
  // @ts-expect-error since is a Date
  await client.sendFrameworkRequest(Find, { id: 1, since: "1970" })
  // @ts-expect-error the timeout is in milliseconds
  await client.sendFrameworkRequest(Greet, { name: "Ada" }, "500")

  // @ts-expect-error the address is the first argument
  new IPCClient(9000, { port: 9000 })
  new IPCClient("http://127.0.0.1:9000", {
    token: "a secret of the tests",
    tokenScheme: "bearer",
    reconnect: false,
    path: "/__ggFrameworkConnection"
  })
  same<Parameters<typeof client.connect>, [runtimeId?: string | undefined]>(true)
}

const Count = IPCServer.defineStream<number, string>("count")
const Ticks = IPCServer.defineStream<void, number>("ticks")
const Sum = IPCServer.defineStream<string, number, number>("sum", { input: true })
const Tail = IPCServer.defineStream("tail", { payload: Schema.String, element: Schema.Date, failure: NotFound })
const Watch = IPCClient.defineStream<number, string>("watch")

export const streams = async (server: IPCServer, client: IPCClient, signal: AbortSignal): Promise<void> => {
  const counted = client.openStream(Count, 3)
  same<typeof counted, ElementStream<string>>(true)
  for await (const text of counted) same<typeof text, string>(true)
  await using left = client.openStream(Tail, "app", { signal, idleTimeout: 1000, window: { items: 10 } })
  same<typeof left, ElementStream<Date>>(true)
  client.openStream(Ticks)
  client.openStream(Ticks, undefined, { signal })
  client.openStream(Sum, "sum", [1, 2], { signal })
  client.openStream(Sum, "sum", client.openStream(Ticks))
  server.openStream("client", Watch, 1)
  // @ts-expect-error no payload
  client.openStream(Count)
  // @ts-expect-error a wrong payload
  client.openStream(Count, "3")
  // @ts-expect-error no input
  client.openStream(Sum, "sum")
  // @ts-expect-error a wrong input
  client.openStream(Sum, "sum", ["1"])
  // @ts-expect-error a client's stream
  client.openStream(Watch, 1)
  // @ts-expect-error a server's stream
  server.openStream("client", Count, 1)
  // @ts-expect-error a request
  client.openStream(Greet, { name: "Ada" })

  server.onStream(Count, async function* (n, { clientId, runtimeId, signal }) {
    same<typeof n, number>(true)
    same<typeof signal, AbortSignal>(true)
    yield clientId
    if (runtimeId !== undefined) yield runtimeId
  })
  server.onStream(Sum, async function* (label, input, { clientId }) {
    for await (const n of input) {
      same<typeof n, number>(true)
      yield n + label.length + clientId.length
    }
  })
  server.onStream(Count, () => ["a"])
  server.onStream(Count, async () => new Set(["a"]))
  server.onStream(Tail, function* (name) {
    yield new Date(name)
  })
  client.onStream(Watch, async function* (n, { signal }) {
    yield `${n} ${signal.aborted}`
  })
  // @ts-expect-error the elements are strings
  server.onStream(Count, () => [1])
  // @ts-expect-error the elements are strings
  server.onStream(Count, async function* () {
    yield 1
  })
  // @ts-expect-error it has no elements
  server.onStream(Count, async () => {})
  // @ts-expect-error a client's stream
  server.onStream(Watch, () => ["a"])
  // @ts-expect-error a stream isn't a request
  server.onFrameworkMessage(Count, async () => "a")
}

export const definitions = (): void => {
  const branded = IPCServer.defineRequest<{ readonly a: number }, string>("branded")
  const text: string = branded
  // @ts-expect-error a name has no brand
  const request: typeof branded = text
  // @ts-expect-error the directions differ
  const other: typeof branded = IPCClient.defineRequest<{ readonly a: number }, string>("branded")
  void [request, other]
}

export const discovery = async (participant: LocalDiscovery, gateway: Gateway): Promise<void> => {
  same<ReturnType<typeof participant.join>, Promise<void>>(true)
  same<ReturnType<typeof gateway.start>, Promise<boolean>>(true)
  same<ReturnType<typeof participant.getRole>, Role | undefined>(true)
  participant.onRoleChange((role) => same<typeof role, "leader" | "follower" | "electing">(true))
  participant.onChange(({ _tag, route }) => {
    same<typeof _tag, "Registered" | "Unregistered">(true)
    same<typeof route, Route>(true)
  })

  const users = { api: "users", baseUrl: "http://127.0.0.1:1", pathPrefix: "/users" }
  for (const either of [participant, gateway]) {
    await either.register(users)
    await either.register([users] as const, 500)
    await either.unregister(users, 500)
    same<ReturnType<typeof either.discover>, Promise<string>>(true)
    same<ReturnType<typeof either.instances>, Promise<ReadonlyArray<Route>>>(true)
    same<ReturnType<typeof either.routes>, Promise<ReadonlyArray<Route>>>(true)
    // @ts-expect-error pathPrefix is missing
    await either.register({ api: "users", baseUrl: "http://127.0.0.1:1" })
  }

  await participant.setStrategy("users", "leastConnections")
  await participant.setStrategy("users", (instances, path) => {
    same<typeof path, string>(true)
    return instances.find(({ connections }) => connections === 0)
  })
  // @ts-expect-error no such strategy
  await participant.setStrategy("users", "fastest")
  // @ts-expect-error a strategy answers at once
  await participant.setStrategy("users", async (instances) => instances[0])

  const answer = await participant.whileLeader(async (signal) => {
    same<typeof signal, AbortSignal>(true)
    return 42
  })
  same<typeof answer, number>(true)
  same<Awaited<ReturnType<typeof participant.whileLeader<string>>>, string>(true)
  // @ts-expect-error the gateway leads for as long as it runs
  gateway.whileLeader(async () => {})

  // @ts-expect-error the port is the first argument
  new LocalDiscovery(9000, { port: 9000 })
  new LocalDiscovery(9000, {
    token: "a secret of the tests",
    runtimeId: "worker",
    strategy: "first",
    strategies: { users: ([one]) => one }
  })
  new Gateway(9000, { host: "0.0.0.0", token: "a secret of the tests" })
}
