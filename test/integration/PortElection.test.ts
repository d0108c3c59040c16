import { createServer } from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeIPCServer from "../../layers/NodeIPCServer.js"
import * as PortElection from "../../layers/PortElection.js"
import { LeaderElection } from "../../src/LeaderElection.js"
import * as Child from "../support/Child.js"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"

describe("A port", () => {
  live("has one leader, though the workers of node:cluster share their ports", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const primary = yield* Child.start("cluster-participants.ts", { args: [String(port)] })
      assert.strictEqual(yield* primary.line("roles"), "follower leader")
    })
  )

  for (const first of ["127.0.0.1", "::1"]) {
    live(`has one leader, however this machine is named: ${first} leads`, () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* Live.participant({ port, host: first, warmUp: false })
        const hosts = ["127.0.0.1", "::1", "localhost", "127.1", "[::1]", "LocalHost."]
        const others = yield* Effect.forEach(hosts, (host) => Live.participant({ port, host, warmUp: false }))
        const roles = yield* Effect.forEach([leader, ...others], ({ election }) => election.role)
        assert.deepStrictEqual(roles, ["leader", ...hosts.map(() => "follower")])
        // Whichever becomes the leader next, all are in one group.
        yield* leader.leave
        const rolesNow = Effect.forEach(others, ({ election }) => election.role)
        yield* Live.until(rolesNow, (now) => now.includes("leader") && !now.includes("electing"))
        assert.lengthOf(
          (yield* rolesNow).filter((role) => role === "leader"),
          1
        )
      })
    )
  }

  live("is led at 127.0.0.1 where something else listens at ::1 of the same port", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((socket) => socket.destroy())
          server.listen({ host: "::1", port }, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const { election } = yield* Live.participant({ port, warmUp: false })
      assert.strictEqual(yield* election.role, "leader")
    })
  )
})

describe("A port that is no number", () => {
  live("is a typed failure; as text it is the number", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const asText = (text: string) => PortElection.make({ port: text as unknown as number })
      const election = yield* asText(String(port))
      assert.strictEqual(yield* election.role, "leader")
      for (const text of ["http", "", "70000", "-1"]) {
        const refused = yield* told(asText(text))
        assert.strictEqual(refused.tag, "ListenFailed", text)
        assert.include(refused.message, `a port is a whole number from 0 to 65535, not ${JSON.stringify(text)}`)
      }
    })
  )
})

describe("A server's host", () => {
  live("needs no token in any spelling of this machine's own", () =>
    Effect.gen(function* () {
      for (const host of ["127.1", "[::1]", "localhost.", "::ffff:127.0.0.1"]) {
        const server = yield* NodeIPCServer.make({ host })
        assert.strictEqual(new URL(server.url).port, String(server.port))
        assert.strictEqual((yield* told(NodeIPCServer.make({ host, port: server.port }))).tag, "PortInUse")
      }
    })
  )
})

describe("PortElection.layerConfig", () => {
  live("reads the port from the environment", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port, warmUp: false })
      const environment = ConfigProvider.fromMap(new Map([["IPC_PORT", String(port)]]))
      const role = yield* Effect.flatMap(LeaderElection, ({ role }) => role).pipe(
        Effect.provide(PortElection.layerConfig().pipe(Layer.provide(Layer.setConfigProvider(environment))))
      )
      assert.strictEqual(role, "follower")
      const configured = PortElection.layerConfig({ port: Config.succeed(port) })
      assert.strictEqual(
        yield* Effect.provide(
          Effect.flatMap(LeaderElection, ({ role }) => role),
          configured
        ),
        "follower"
      )
    })
  )
})
