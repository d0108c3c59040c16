import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect, Schema } from "effect"
import type { ClientNotConnected, ClientRequest, IPCClient, NotifyError, ServerRequest } from "effect-ipc"
import * as Ipc from "effect-ipc"
import type { RequestError } from "../../src/IPCError.js"
import { compile as compileFolder } from "../support/typescript.js"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {}

const Sum = Ipc.IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("sum")
const Ping = Ipc.IPCServer.defineRequest("ping")
const GetUser = Ipc.IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.NumberFromString }),
  success: Schema.Struct({ born: Schema.Date }),
  failure: NotFound
})
const Restart = Ipc.IPCClient.defineRequest("restart", { payload: Schema.String })

/** Never called: its calls are there to be typed. */
const typed = (client: IPCClient.Service, server: Ipc.IPCServer.Service) => ({
  sum: client.request(Sum, { a: 1, b: 2 }),
  ping: client.request(Ping),
  getUser: client.request(GetUser, { id: 1 }, { idempotent: true }),
  tell: client.notify(Sum, { a: 1, b: 2 }),
  restart: server.request("worker", Restart, "now"),
  tellWorker: server.notify("worker", Restart, "now"),
  tellAll: server.broadcast(Restart, "now"),
  handleSum: server.handle(Sum, (payload, caller) => {
    expectTypeOf(payload).toEqualTypeOf<{ readonly a: number; readonly b: number }>()
    expectTypeOf(caller).toEqualTypeOf<Ipc.ConnectedClient>()
    return Effect.succeed(payload.a + payload.b)
  }),
  handleGetUser: server.handle(GetUser, (payload) => {
    expectTypeOf(payload).toEqualTypeOf<{ readonly id: number }>()
    return payload.id > 0 ? Effect.succeed({ born: new Date(0) }) : new NotFound(payload)
  }),
  handleRestart: client.handle(Restart, (payload) => {
    expectTypeOf(payload).toEqualTypeOf<string>()
    return Effect.void
  })
})
type Typed = ReturnType<typeof typed>

type IsAny<T> = 0 extends 1 & T ? true : false

describe("a request", () => {
  it("is at run time its name alone, or its name with codecs", () => {
    assert.deepStrictEqual([Sum as string, Ping as string], ["sum", "ping"])
    assert.deepStrictEqual(Object.keys(GetUser), ["name", "payload", "success", "failure"])
    assert.strictEqual(GetUser.name, "users/get")
  })

  it.effect("with Schemas decodes and encodes what it says; what it leaves out is void, or no failure at all", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* GetUser.payload.decode({ id: "7" }), { id: 7 })
      assert.deepStrictEqual(yield* GetUser.payload.encode({ id: 7 }), { id: "7" })
      assert.deepStrictEqual(yield* GetUser.success.decode({ born: "1970-01-01T00:00:00.000Z" }), { born: new Date(0) })
      assert.deepStrictEqual(yield* GetUser.failure.decode({ _tag: "NotFound", id: 7 }), new NotFound({ id: 7 }))
      assert.isUndefined(yield* Restart.success.encode(undefined))
      assert.strictEqual((yield* Effect.flip(Restart.failure.encode(new Error("any"))))._tag, "Type")
    })
  )

  it("tells the types of its payload, success and failure without an annotation at the call", () => {
    expectTypeOf<Typed["sum"]>().toEqualTypeOf<Effect.Effect<number, RequestError>>()
    expectTypeOf<Typed["ping"]>().toEqualTypeOf<Effect.Effect<void, RequestError>>()
    expectTypeOf<Typed["getUser"]>().toEqualTypeOf<Effect.Effect<{ readonly born: Date }, NotFound | RequestError>>()
    expectTypeOf<Typed["tell"]>().toEqualTypeOf<Effect.Effect<void, NotifyError>>()
    expectTypeOf<Typed["restart"]>().toEqualTypeOf<Effect.Effect<void, RequestError | ClientNotConnected>>()
    expectTypeOf<Typed["tellWorker"]>().toEqualTypeOf<Effect.Effect<void, NotifyError | ClientNotConnected>>()
    expectTypeOf<Typed["tellAll"]>().toEqualTypeOf<Effect.Effect<void, NotifyError>>()
    for (const handled of [] as Array<Typed["handleSum"] | Typed["handleGetUser"] | Typed["handleRestart"]>) {
      expectTypeOf(handled).toEqualTypeOf<Effect.Effect<void, never, Scope.Scope>>()
    }
    expectTypeOf(Sum).toExtend<ServerRequest<{ readonly a: number; readonly b: number }, number, never>>()
    expectTypeOf(GetUser).toExtend<ServerRequest<{ readonly id: number }, { readonly born: Date }, NotFound>>()
    expectTypeOf(Restart).toExtend<ClientRequest<string, void, never>>()
  })

  it("has no any in what its calls return", () => {
    type Anys = {
      readonly [K in keyof Typed]: Typed[K] extends Effect.Effect<infer A, infer E, infer R>
        ? true extends IsAny<A> | IsAny<E> | IsAny<R>
          ? K
          : never
        : K
    }[keyof Typed]
    expectTypeOf<Anys>().toEqualTypeOf<never>()
  })
})

/** Snippets that don't compile, and what the compiler's message has to name for a reader to see why. */
const wrong: Record<string, { readonly code: string; readonly names: ReadonlyArray<string> }> = {
  "a client's request sent by the client": {
    code: "client.request(Restart, { delay: 1 })",
    names: ["'\"client\"' is not assignable to type '\"server\"'", "delay: number"]
  },
  "a server's request sent by the server": {
    code: 'server.request("worker", Sum, { a: 1, b: 2 })',
    names: ["'\"server\"' is not assignable to type '\"client\"'", "ClientRequest"]
  },
  "a payload's property of the wrong type": {
    code: 'client.request(Sum, { a: 1, b: "2" })',
    names: ["Type 'string' is not assignable to type 'number'"]
  },
  "a payload without a property": {
    code: "client.request(Sum, { a: 1 })",
    names: ["Property 'b' is missing in type '{ a: number; }'"]
  },
  "no payload": { code: "client.request(Sum)", names: ["Expected 2-3 arguments, but got 1"] },
  "a payload for a request that takes none": {
    code: "client.request(Ping, { a: 1 })",
    names: ["'{ a: number; }' is not assignable to parameter of type 'undefined'"]
  },
  "a handler's wrong result": {
    code: 'server.handle(Sum, () => Effect.succeed("3"))',
    names: ["Effect<string, never, never>", "Effect<number, unknown, never>"]
  },
  "a handler's undeclared failure": {
    code: "server.handle(GetUser, () => new Other())",
    names: ["Type 'Other'", "NotFound"]
  },
  "a handler that returns no effect": {
    code: "server.handle(Sum, ({ a, b }) => a + b)",
    names: ["Type 'number' is not assignable to type 'Effect<number, unknown, never>'"]
  }
}

const prelude = `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { IPCClient, IPCServer } from "effect-ipc"
class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}
const Sum = IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("sum")
const Ping = IPCServer.defineRequest("ping")
const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: Schema.Struct({ name: Schema.String }),
  failure: NotFound
})
const Restart = IPCClient.defineRequest<{ readonly delay: number }, boolean>("restart")
declare const client: IPCClient.Service
declare const server: IPCServer.Service
export const all = { Effect, Schema, NotFound, Other, Sum, Ping, GetUser, Restart, client, server }
`

const root = fileURLToPath(new URL("../..", import.meta.url))

/** What the compiler says of each file, by the file's name. */
const compile = async (files: Record<string, string>): Promise<Record<string, string>> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-ipc-types-"))
  try {
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `${name}.ts`), text)
    const paths = { "effect-ipc": [join(root, "src/index.ts")] }
    const compilerOptions = { paths, typeRoots: [join(root, "node_modules/@types")] }
    writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }))
    writeFileSync(
      join(directory, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, include: ["*.ts"], exclude: [] })
    )
    const output = await compileFolder(directory)
    const said: Record<string, string> = {}
    let current = ""
    for (const line of output.split("\n")) {
      current = /^([\w-]+)\.ts\(\d+,\d+\): error /.exec(line)?.[1] ?? (line.startsWith(" ") ? current : "")
      said[current] = `${said[current] ?? ""}${line}\n`
    }
    return said
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe("what doesn't compile", () => {
  it("is told in words that name what is wrong", { timeout: 120_000 }, async () => {
    const files = Object.fromEntries(
      Object.values(wrong).map(({ code }, index) => [`wrong-${index}`, `${prelude}${code}\n`])
    )
    const said = await compile({ ...files, right: `${prelude}client.request(Sum, { a: 1, b: 2 })\n` })
    const missing = Object.entries(wrong).flatMap(([what, { names }], index) => {
      const message = said[`wrong-${index}`] ?? "it compiles"
      return names.filter((name) => !message.includes(name)).map((name) => ({ what, name, message }))
    })
    assert.deepStrictEqual(missing, [])
    assert.isUndefined(said.right)
  })
})
