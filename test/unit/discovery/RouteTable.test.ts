import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck as fc, Random, Schema, TestClock } from "effect"
import { type DiscoveryEntry, type Route, RouteChange, validateEntry } from "../../../src/DiscoveryEntry.js"
import * as RouteTable from "../../../src/discovery/RouteTable.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"

type Encoded = typeof DiscoveryEntry.Encoded

const valid = (entry: Encoded): DiscoveryEntry => Either.getOrThrow(validateEntry(entry))

const entry = (api: string, pathPrefix: string, port: number) =>
  valid({ api, pathPrefix, baseUrl: `http://127.0.0.1:${port}` })

const emptyTable = (options?: RouteTable.Options) =>
  RouteTable.unsafeMake({ ...options, now: () => 0, random: () => 0 })

const ports = (table: RouteTable.RouteTable, path: string, count: number): Array<number> =>
  Array.from({ length: count }, () => portOf(table.choose(path)))

const portOf = (selection: RouteTable.Selection | undefined): number => Number(selection?.baseUrl.split(":")[2])

const connectionsOf = (table: RouteTable.RouteTable, api: string) =>
  table.instances(api).map(({ connections }) => connections)

/** The selection and those that follow it when each refuses. */
const chain = (selection: RouteTable.Selection | undefined): ReadonlyArray<RouteTable.Selection> =>
  selection === undefined ? [] : [selection, ...chain(selection.next())]

const issueOf = (input: unknown): string =>
  Either.match(validateEntry(input), { onLeft: ({ issue }) => issue, onRight: () => "valid" })

describe("validateEntry", () => {
  it("drops trailing slashes, and whatever isn't part of an entry", () => {
    const input = { api: "users", baseUrl: "http://127.0.0.1:4001/", pathPrefix: "/api/users//", owner: "mallory" }
    const expected = { api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/api/users" }
    assert.deepStrictEqual(validateEntry(input), Either.right(expected as DiscoveryEntry))
    assert.strictEqual(entry("users", "/", 1).pathPrefix, "/")
  })

  it("names every field that is wrong", () => {
    const entries: ReadonlyArray<readonly [unknown, string]> = [
      [null, "it isn't an object"],
      [{}, "api is missing; baseUrl is missing; pathPrefix is missing"],
      [
        { api: 1, baseUrl: {}, pathPrefix: [] },
        "api must be a string; baseUrl must be a string; pathPrefix must be a string"
      ],
      [{ api: " ", baseUrl: "http://h", pathPrefix: "/" }, "api must not be empty"],
      [{ api: "a\u0000", baseUrl: "http://h", pathPrefix: "/" }, "api must not contain control characters"],
      [{ api: "a".repeat(257), baseUrl: "http://h", pathPrefix: "/" }, "api must have at most 256 characters"],
      [{ api: "a", baseUrl: "http://h", pathPrefix: "" }, 'pathPrefix must start with "/"'],
      [{ api: "a", baseUrl: "http://h", pathPrefix: "users" }, 'pathPrefix must start with "/"'],
      [{ api: "a", baseUrl: "http://h", pathPrefix: "/a//b" }, 'pathPrefix must not contain "//"'],
      [{ api: "a", baseUrl: "http://h", pathPrefix: "/a?b" }, "pathPrefix must not contain a query or a fragment"],
      ...["/a b", "/a\\b"].map(
        (pathPrefix) =>
          [
            { api: "a", baseUrl: "http://h", pathPrefix },
            "pathPrefix must not contain white space or a backslash"
          ] as const
      ),
      ...["/x/../y", "/x/./y", "/x/%2e%2E/y", "/x/.%2e/y", "/.."].map(
        (pathPrefix) =>
          [
            { api: "a", baseUrl: "http://h", pathPrefix },
            `pathPrefix must not contain "." or ".." as a segment: a client that asks for it sends ${new URL(`http://h${pathPrefix}`).pathname}`
          ] as const
      ),
      [{ api: "a", baseUrl: "http://h", pathPrefix: "/\ud800" }, "pathPrefix must not contain control characters"],
      // Percent-encoded it is too long.
      [
        { api: "a", baseUrl: "http://h", pathPrefix: `/${"é".repeat(200)}` },
        "pathPrefix must have at most 1024 characters"
      ],
      [
        { api: "a", baseUrl: "http://h", pathPrefix: "/".repeat(1_025) },
        "pathPrefix must have at most 1024 characters"
      ],
      [{ api: "a", baseUrl: "http://h?x", pathPrefix: "/" }, "baseUrl must not contain a query or a fragment"],
      [{ api: "a", baseUrl: "http://h\\x", pathPrefix: "/" }, "baseUrl must not contain white space or a backslash"],
      ...["", "h:1", "ftp://h", "ws:h", "http:h", "http://", "http:///x", "http://h:99999"].map(
        (baseUrl) => [{ api: "a", baseUrl, pathPrefix: "/" }, 'baseUrl must be a URL like "http://host:4001"'] as const
      )
    ]
    assert.deepStrictEqual(
      entries.map(([input]) => issueOf(input)),
      entries.map(([, issue]) => issue)
    )
  })

  it("takes a WebSocket URL as its HTTP one, and gives hosts and paths one spelling", () => {
    const spellings = {
      "ws://127.0.0.1:4001": "http://127.0.0.1:4001",
      "WSS://users.example/": "https://users.example",
      "http://LOCALHOST:80/api/": "http://localhost/api",
      "http://127.1:4001": "http://127.0.0.1:4001",
      "http://[0:0:0:0:0:0:0:1]:4001": "http://[::1]:4001",
      "http://h/bücher": "http://h/b%C3%BCcher"
    }
    assert.deepStrictEqual(
      Object.fromEntries(
        Object.keys(spellings).map((baseUrl) => [
          baseUrl,
          valid({ api: "a", baseUrl, pathPrefix: "/" }).baseUrl as string
        ])
      ),
      spellings
    )
  })

  it("percent-encodes a prefix as a URL has to, and no more", () => {
    const spellings = {
      "/bücher": "/b%C3%BCcher",
      '/a"b': "/a%22b",
      "/a{b}": "/a%7Bb%7D",
      "/a|b^c`d": "/a%7Cb%5Ec%60d",
      "/%75sers/%c3%bc": "/users/%C3%BC",
      "/a%26b": "/a&b",
      "/a%2fb": "/a%2Fb",
      "/100%": "/100%25",
      "/a;b=1,2/@c:d!$&'()*+": "/a;b=1,2/@c:d!$&'()*+",
      "/...": "/..."
    }
    assert.deepStrictEqual(
      Object.fromEntries(
        Object.keys(spellings).map((pathPrefix) => [pathPrefix, entry("a", pathPrefix, 1).pathPrefix as string])
      ),
      spellings
    )
  })

  it("shows what was refused in a few words, whatever it is", () => {
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)
    for (const input of [deep, { api: deep, baseUrl: "x".repeat(1_000_000), pathPrefix: 1 }, "y".repeat(1_000_000)]) {
      const { message } = Either.getOrThrow(Either.flip(validateEntry(input)))
      assert.isBelow(message.length, 1000)
    }
  })

  it("tells in its message what was refused, why, and what an entry looks like", () => {
    const refused = validateEntry({ api: "users", baseUrl: "http://h", pathPrefix: "users" })
    assert.strictEqual(
      Either.getOrThrow(Either.flip(refused)).message,
      'The entry {"api":"users","baseUrl":"http://h","pathPrefix":"users"} can\'t be registered: pathPrefix must start with "/". An entry looks like {"api":"users","baseUrl":"http://host:4001","pathPrefix":"/users"}.'
    )
  })

  it.prop("gives any value an answer, and its own answers back unchanged", [fc.anything()], ([input]) => {
    const answer = validateEntry(input)
    if (Either.isRight(answer)) assert.deepStrictEqual(validateEntry(answer.right), answer)
    else assert.isBelow(answer.left.message.length, 2_000)
  })
})

describe("choosing by path", () => {
  it("takes the prefix on whole segments, whatever query or fragment follows", () => {
    const table = emptyTable()
    table.register("owner", [entry("users", "/users", 1)])
    for (const path of ["/users", "/users/", "/users/7", "/users//7", "/users?x=/y", "/users#/x", "/users/?x"]) {
      assert.strictEqual(table.choose(path)?.baseUrl, "http://127.0.0.1:1", path)
    }
    for (const path of [
      "/users2",
      "/user",
      "/",
      "",
      "*",
      "users",
      "//users",
      "/Users",
      "/x/users",
      "/?/users",
      "/#/users"
    ]) {
      assert.strictEqual(table.choose(path), undefined, path)
    }
  })

  it("prefers the longest prefix, and / takes the rest", () => {
    const table = emptyTable()
    table.register("owner", [entry("root", "/", 1), entry("v1", "/api/v1", 2), entry("users", "/api/v1/x/users", 3)])
    const paths = ["/", "/?q", "/api", "/api/v1", "/api/v1/x", "/api/v1/x/users/7", "//", "/api//v1"]
    assert.deepStrictEqual(
      paths.map((path) => portOf(table.choose(path))),
      [1, 1, 1, 2, 2, 3, 1, 1]
    )
  })

  const segment = fc.constantFrom("a", "b", "ab", "__proto__", "constructor")
  const prefix = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`)
  const rest = fc.constantFrom("", "/", "//", "?a/b", "#a", "/a", "c", "?")

  it.prop(
    "finds what a search of all the prefixes finds",
    [fc.array(prefix, { maxLength: 12 }), fc.array(fc.tuple(prefix, rest), { minLength: 1, maxLength: 20 })],
    ([prefixes, paths]) => {
      const table = emptyTable()
      const entries = [...new Set(prefixes)].map((pathPrefix, index) => entry(`api${index}`, pathPrefix, index + 1))
      table.register("owner", entries)
      for (const [start, end] of paths) {
        const path = start + end
        const bare = path.split(/[?#]/)[0] ?? ""
        const taken = entries
          .filter(({ pathPrefix }) => `${bare}/`.startsWith(pathPrefix === "/" ? "/" : `${pathPrefix}/`))
          .sort((one, other) => other.pathPrefix.length - one.pathPrefix.length)[0]
        assert.strictEqual(table.choose(path)?.baseUrl, taken?.baseUrl, path)
      }
    }
  )

  it("matches a segment of the greatest length, and none that only begins like it", () => {
    const table = emptyTable()
    const longest = `/${"x".repeat(1_023)}`
    table.register("owner", [entry("long", longest, 1)])
    assert.strictEqual(portOf(table.choose(`${longest}/7`)), 1)
    assert.strictEqual(table.choose(`${longest}x`), undefined)
    assert.strictEqual(table.choose(`${longest}${"x".repeat(8_192)}/7`), undefined)
  })

  it("leaves a prefix that two apis claim to the first of them, until its last instance has gone", () => {
    const table = emptyTable()
    table.register("a", [entry("old", "/users", 1)])
    table.register("b", [entry("new", "/users", 2)])
    table.register("c", [entry("newer", "/users", 3)])
    table.register("d", [entry("old", "/users", 4)])
    assert.deepStrictEqual(ports(table, "/users", 3), [1, 4, 1])
    table.removeOwner("a")
    table.removeOwner("b")
    assert.deepStrictEqual(ports(table, "/users", 2), [4, 4])
    table.removeOwner("d")
    assert.deepStrictEqual(ports(table, "/users", 2), [3, 3])
    table.register("d", [entry("old", "/users", 4)])
    assert.deepStrictEqual(ports(table, "/users", 2), [3, 3])
  })

  it("sends a path only to those instances of the api that registered its prefix", () => {
    const table = emptyTable()
    table.register("owner", [entry("users", "/v1", 1), entry("users", "/v2", 2), entry("users", "/v2", 3)])
    assert.deepStrictEqual(ports(table, "/v1", 2), [1, 1])
    assert.deepStrictEqual(
      ["/v2", "/v1", "/v2", "/v1", "/v2"].map((path) => portOf(table.choose(path))),
      [2, 1, 3, 1, 2]
    )
  })
})

describe("registering", () => {
  it("tells what changed, and only that", () => {
    let now = 1_000
    const table = RouteTable.unsafeMake({ now: () => now++, random: () => 0 })
    const users = entry("users", "/users", 1)
    const orders = entry("orders", "/orders", 1)
    const route = (one: DiscoveryEntry, owner: string, registeredAt: number): Route => ({
      kind: "http",
      ...one,
      owner,
      registeredAt,
      connections: 0,
      strategy: "roundRobin"
    })
    assert.deepStrictEqual(table.register("a", [users, users]), [
      { _tag: "Registered", route: route(users, "a", 1_000) }
    ])
    assert.deepStrictEqual(table.register("a", [users]), [])
    assert.deepStrictEqual(table.register("b", [users, orders]), [
      { _tag: "Registered", route: route(users, "b", 1_002) },
      { _tag: "Registered", route: route(orders, "b", 1_002) }
    ])
    assert.deepStrictEqual(table.routes(), [
      route(users, "a", 1_000),
      route(users, "b", 1_002),
      route(orders, "b", 1_002)
    ])
    assert.strictEqual(table.version(), 2)
    assert.deepStrictEqual(table.unregister("a", [orders]), [])
    assert.deepStrictEqual(table.unregister("a", [users, users]), [
      { _tag: "Unregistered", route: route(users, "a", 1_000) }
    ])
    assert.deepStrictEqual(table.removeOwner("b"), [
      { _tag: "Unregistered", route: route(users, "b", 1_002) },
      { _tag: "Unregistered", route: route(orders, "b", 1_002) }
    ])
    assert.deepStrictEqual(table.removeOwner("b"), [])
    assert.deepStrictEqual(table.routes(), [])
    assert.strictEqual(table.version(), 4)
  })

  it("counts an instance that two owners registered once, and keeps it until both have left", () => {
    const table = emptyTable()
    table.register("a", [entry("users", "/users", 1)])
    table.register("b", [entry("users", "/users", 1), entry("users", "/users", 2)])
    assert.deepStrictEqual(ports(table, "/users", 4), [1, 2, 1, 2])
    table.removeOwner("a")
    assert.deepStrictEqual(
      table.instances("users").map(({ baseUrl, connections }) => [baseUrl, connections]),
      [
        ["http://127.0.0.1:1", 2],
        ["http://127.0.0.1:2", 2]
      ]
    )
    table.removeOwner("b")
    assert.strictEqual(table.choose("/users"), undefined)
  })

  it("holds names that an object would trip over", () => {
    const table = emptyTable()
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
    for (const name of names) table.register(name, [entry(name, `/${name}`, 1)])
    for (const name of names) {
      assert.strictEqual(portOf(table.choose(`/${name}/x`)), 1)
      assert.strictEqual(table.instances(name).length, 1)
      assert.strictEqual(table.removeOwner(name).length, 1)
      assert.strictEqual(table.choose(`/${name}`), undefined)
    }
    assert.strictEqual(Object.hasOwn(Object.prototype, "api"), false)
  })

  const owner = fc.constantFrom("a", "b", "c")
  const someEntries = fc.array(
    fc
      .tuple(
        fc.constantFrom("users", "orders", "__proto__"),
        fc.constantFrom("/", "/x", "/x/y", "/z"),
        fc.integer({ min: 1, max: 3 })
      )
      .map(([api, pathPrefix, port]) => entry(api, pathPrefix, port)),
    { maxLength: 6 }
  )
  const operation = fc.oneof(
    fc.record({ call: fc.constant("register" as const), owner, entries: someEntries }),
    fc.record({ call: fc.constant("unregister" as const), owner, entries: someEntries }),
    fc.record({ call: fc.constant("removeOwner" as const), owner, entries: fc.constant([]) })
  )

  it.prop(
    "agrees with a plain list, in any order of calls",
    [fc.array(operation, { maxLength: 40 })],
    ([operations]) => {
      const table = emptyTable()
      let model: ReadonlyArray<DiscoveryEntry & { readonly owner: string }> = []
      let version = 0
      const same = (one: DiscoveryEntry, other: DiscoveryEntry) =>
        one.api === other.api && one.baseUrl === other.baseUrl && one.pathPrefix === other.pathPrefix
      const bare = ({ api, baseUrl, owner, pathPrefix }: Route) => ({ api, baseUrl, pathPrefix, owner })
      for (const { call, entries, owner } of operations) {
        const before = model
        if (call === "register") {
          for (const one of entries) {
            if (!model.some((held) => held.owner === owner && same(held, one))) model = [...model, { ...one, owner }]
          }
        } else {
          model = model.filter(
            (held) => held.owner !== owner || (call === "unregister" && !entries.some((one) => same(held, one)))
          )
        }
        const changes = call === "removeOwner" ? table.removeOwner(owner) : table[call](owner, entries)
        const expected =
          call === "register" ? model.slice(before.length) : before.filter((held) => !model.includes(held))
        const tag: RouteChange["_tag"] = call === "register" ? "Registered" : "Unregistered"
        assert.sameDeepMembers(
          changes.map(({ _tag, route }) => ({ _tag, ...bare(route) })),
          expected.map((held) => ({ _tag: tag, ...held }))
        )
        if (changes.length > 0) version++
        assert.deepStrictEqual(table.routes().map(bare), [...model])
        assert.strictEqual(table.version(), version)
        for (const api of ["users", "orders", "__proto__"]) {
          const distinct = new Set(
            model.filter((held) => held.api === api).map((held) => held.baseUrl + held.pathPrefix)
          )
          const instances = table.instances(api)
          assert.deepStrictEqual(new Set(instances.map((one) => one.baseUrl + one.pathPrefix)), distinct)
          assert.strictEqual(instances.length, distinct.size)
        }
        for (const [path, prefixes] of [
          ["/x/y/z", ["/x/y", "/x", "/"]],
          ["/x?y", ["/x", "/"]],
          ["/z/x", ["/z", "/"]]
        ] as const) {
          const longest = prefixes.find((prefix) => model.some((held) => held.pathPrefix === prefix))
          assert.strictEqual(table.choose(path)?.instance.pathPrefix, longest)
        }
      }
    }
  )

  it("removes a hundred thousand registrations of one owner below one prefix at once", () => {
    const table = emptyTable()
    const users = entry("users", "/users", 1)
    const many = Array.from({ length: 100_000 }, (_, index) => ({
      ...users,
      ...(index % 2 === 0 ? { api: `api${index}` } : { baseUrl: `http://127.0.0.1/${index}` as never })
    }))
    table.register("owner", many)
    table.register("other", [entry("other", "/users", 2)])
    const before = process.cpuUsage()
    assert.strictEqual(table.removeOwner("owner").length, 100_000)
    const { system, user } = process.cpuUsage(before)
    // A cost that grew with the square would be minutes.
    assert.isBelow((system + user) / 1_000_000, 15)
    assert.strictEqual(portOf(table.choose("/users")), 2)
  })
})

describe("memory", () => {
  it("holds nothing of a prefix once no owner registers it", () => {
    setFlagsFromString("--expose-gc")
    const collectGarbage: () => void = runInNewContext("gc")
    const heapUsed = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const table = emptyTable()
    const before = heapUsed()
    for (let index = 0; index < 2_000; index++) {
      table.register("owner", [entry("users", `/${index}${"/x".repeat(100)}`, 1)])
      table.removeOwner("owner")
    }
    // What is left of 200,000 segments would be 50 MB.
    assert.isBelow(heapUsed() - before, 10_000_000)
    assert.deepStrictEqual(table.routes(), [])
  })
})

describe("strategies", () => {
  const threeUsers = [1, 2, 3].map((port) => entry("users", "/users", port))

  it("goes round robin unless told otherwise", () => {
    const table = emptyTable()
    table.register("owner", threeUsers)
    assert.deepStrictEqual(ports(table, "/users", 5), [1, 2, 3, 1, 2])
    const other = emptyTable({ strategy: RoutingStrategy.last })
    other.register("owner", threeUsers)
    assert.deepStrictEqual(ports(other, "/users", 2), [3, 3])
  })

  it("keeps an api's strategy while its instances come and go", () => {
    const table = emptyTable()
    assert.strictEqual(table.setStrategy("users", RoutingStrategy.last), RoutingStrategy.roundRobin)
    for (let round = 0; round < 2; round++) {
      table.register("owner", threeUsers)
      assert.deepStrictEqual(ports(table, "/users", 2), [3, 3])
      assert.deepStrictEqual(
        table.routes().map(({ strategy }) => strategy),
        ["last", "last", "last"]
      )
      table.removeOwner("owner")
    }
    table.register("owner", threeUsers)
    assert.strictEqual(table.setStrategy("users", RoutingStrategy.first), RoutingStrategy.last)
    assert.deepStrictEqual(ports(table, "/users", 2), [1, 1])
  })

  it("sends a request where the fewest are under way", () => {
    const table = emptyTable({ strategy: RoutingStrategy.leastConnections })
    table.register("owner", threeUsers)
    const [first, second, third] = [table.choose("/users"), table.choose("/users"), table.choose("/users")]
    assert.deepStrictEqual([first, second, third].map(portOf), [1, 2, 3])
    second?.release()
    assert.strictEqual(portOf(table.choose("/users")), 2)
    third?.release()
    assert.strictEqual(portOf(table.choose("/users")), 3)
  })

  it("takes the first instance, and tells, when a strategy throws or picks what isn't there", () => {
    const told: Array<RouteTable.Fallback> = []
    const table = emptyTable({ onFallback: (fallback) => told.push(fallback) })
    table.register("owner", threeUsers)
    const gone = table.choose("/users")?.instance
    table.removeOwner("owner")
    table.register("owner", threeUsers)
    const thrown = new Error("no idea")
    const strategies = [
      RoutingStrategy.custom(() => {
        throw thrown
      }, "throws"),
      RoutingStrategy.make("throws at the start", () => {
        throw thrown
      }),
      RoutingStrategy.custom((instances) => [...instances].reverse()[0] && gone, "the dead"),
      RoutingStrategy.custom((instances) => ({ ...instances[1] }) as RoutingStrategy.Instance, "a copy"),
      RoutingStrategy.custom(
        (instances) => (instances as unknown as Array<RoutingStrategy.Instance>).reverse()[0],
        "in place"
      )
    ]
    for (const strategy of strategies) {
      table.setStrategy("users", strategy)
      assert.deepStrictEqual(ports(table, "/users", 1), [1], strategy.name)
    }
    assert.deepStrictEqual(
      told.map(({ api, strategy }) => [api, strategy]),
      strategies.map(({ name }) => ["users", name])
    )
    assert.strictEqual(told[0]?.cause, thrown)
    assert.strictEqual(told[1]?.cause, thrown)
  })

  it("chooses by the strategy that another one sets as it starts", () => {
    const table = emptyTable()
    table.register("owner", [entry("users", "/users", 1), entry("users", "/users", 2)])
    const setting = RoutingStrategy.make("setting", () => {
      table.setStrategy("users", RoutingStrategy.last)
      return (instances) => instances[0]
    })
    table.setStrategy("users", setting)
    assert.deepStrictEqual(ports(table, "/users", 3).slice(1), [2, 2])
  })

  it("routes nowhere, and tells, when a strategy chooses none", () => {
    const declined: Array<unknown> = []
    const fallbacks: Array<RouteTable.Fallback> = []
    const table = emptyTable({
      onDeclined: (told) => declined.push(told),
      onFallback: (fallback) => fallbacks.push(fallback)
    })
    table.register("owner", threeUsers)
    for (const none of [undefined, null] as Array<undefined>) {
      table.setStrategy(
        "users",
        RoutingStrategy.custom(() => none, "picky")
      )
      assert.strictEqual(table.choose("/users"), undefined)
      assert.strictEqual(table.chooseInstance("users"), undefined)
    }
    assert.deepStrictEqual(declined, new Array(4).fill({ api: "users", strategy: "picky" }))
    assert.deepStrictEqual(fallbacks, [])
    assert.deepStrictEqual(connectionsOf(table, "users"), [0, 0, 0])
  })

  it("routes on to none, when a strategy chooses none of those that are left", () => {
    const table = emptyTable()
    table.register("owner", threeUsers)
    table.setStrategy(
      "users",
      RoutingStrategy.custom((instances) => (instances.length === 3 ? instances[0] : undefined))
    )
    const chosen = table.choose("/users")
    assert.strictEqual(portOf(chosen), 1)
    assert.strictEqual(chosen?.next(), undefined)
    assert.deepStrictEqual(connectionsOf(table, "users"), [0, 0, 0])
  })
})

describe("a chosen upstream", () => {
  it("counts as a connection until it's released, however often that is", () => {
    const table = emptyTable({ strategy: RoutingStrategy.first })
    table.register("owner", [entry("users", "/users", 1)])
    const [one, other] = [table.choose("/users"), table.choose("/users")]
    assert.deepStrictEqual(connectionsOf(table, "users"), [2])
    one?.release()
    one?.release()
    assert.deepStrictEqual(connectionsOf(table, "users"), [1])
    other?.release()
    one?.next()
    assert.deepStrictEqual(connectionsOf(table, "users"), [0])
  })

  it.prop(
    "offers each other instance once when all refuse, by any strategy, and leaves no connection behind",
    [fc.constantFrom(...RoutingStrategy.RoutingStrategyName.literals), fc.integer({ min: 1, max: 8 }), fc.nat(8)],
    ([name, count, skipped]) => {
      const table = emptyTable({ strategy: RoutingStrategy.fromName(name) })
      table.register(
        "owner",
        Array.from({ length: count }, (_, index) => entry("users", "/users", index + 1))
      )
      ports(table, "/users", skipped)
      const before = connectionsOf(table, "users")
      const tried = chain(table.choose("/users"))
      assert.strictEqual(tried.length, count)
      assert.strictEqual(new Set(tried.map(portOf)).size, count)
      assert.deepStrictEqual(connectionsOf(table, "users"), before)
    }
  )

  it("never offers an instance again, though one that refused is asked twice or came back", () => {
    const table = emptyTable()
    table.register(
      "owner",
      [1, 2, 3].map((port) => entry("users", "/users", port))
    )
    const refused = table.choose("/users")
    const [second, third] = [refused?.next(), refused?.next()]
    assert.deepStrictEqual([refused, second, third].map(portOf), [1, 2, 3])
    table.removeOwner("owner")
    assert.strictEqual(third?.next(), undefined)
    table.register(
      "owner",
      [1, 2, 3, 4].map((port) => entry("users", "/users", port))
    )
    assert.deepStrictEqual(chain(second?.next()).map(portOf), [4])
    assert.deepStrictEqual(connectionsOf(table, "users"), [0, 0, 0, 0])
  })

  it("passes over instances that have gone since, and offers those that have come", () => {
    const table = emptyTable({ strategy: RoutingStrategy.first })
    table.register("a", [entry("users", "/users", 1), entry("users", "/users", 2)])
    const chosen = table.choose("/users")
    table.unregister("a", [entry("users", "/users", 2)])
    table.register("b", [entry("users", "/users", 3)])
    assert.deepStrictEqual(chain(chosen).map(portOf), [1, 3])
  })

  it("keeps the count of an instance that came back apart from the one that went", () => {
    const table = emptyTable()
    table.register("owner", [entry("users", "/users", 1)])
    const old = table.choose("/users")
    table.removeOwner("owner")
    table.register("owner", [entry("users", "/users", 1)])
    old?.release()
    assert.deepStrictEqual(connectionsOf(table, "users"), [0])
  })
})

describe("a prefix of any spelling", () => {
  const spelled = fc
    .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 })
    .map((segments) => `/${segments.join("/")}`)
    // Whether it encodes something already is told by what follows; clients differ about it.
    .filter((prefix) => !prefix.includes("%") && !prefix.endsWith("/"))

  it("takes what clients send for it, however they encode it, and raw", () => {
    fc.assert(
      fc.property(spelled, (pathPrefix) => {
        const validated = validateEntry({ api: "a", baseUrl: "http://127.0.0.1:1", pathPrefix })
        fc.pre(Either.isRight(validated))
        const table = emptyTable()
        table.register("owner", [validated.right])
        const { pathname } = new URL(`http://h${pathPrefix}`)
        const paths = [
          pathname,
          pathname.replace(/%../g, (digits) => digits.toLowerCase()),
          pathPrefix.split("/").map(encodeURIComponent).join("/"),
          // The bytes of its UTF-8, as a client that encodes nothing sends them and Node reads them.
          Buffer.from(pathPrefix).toString("latin1")
        ]
        for (const path of paths) {
          assert.strictEqual(table.choose(`${path}/7?x=1`)?.baseUrl, "http://127.0.0.1:1", path)
        }
      })
    )
  })

  it("is one prefix with its other spellings", () => {
    const table = emptyTable({ strategy: RoutingStrategy.first })
    table.register("owner", [entry("users", "/%75sers", 1), entry("users", "/users", 2)])
    assert.deepStrictEqual(
      table.routes().map((route) => route.pathPrefix),
      ["/users", "/users"]
    )
    assert.deepStrictEqual(ports(table, "/u%73ers/7", 1), [1])
    assert.strictEqual(table.choose("/Users"), undefined)
    assert.strictEqual(table.choose("/us%2Fers"), undefined)
  })
})

describe("make", () => {
  it.effect("takes the time from the Clock", () =>
    Effect.gen(function* () {
      const table = yield* RouteTable.make()
      yield* TestClock.adjust("3 seconds")
      table.register("owner", [entry("users", "/users", 1)])
      assert.deepStrictEqual(table.routes()[0]?.registeredAt, 3_000)
    })
  )

  it.effect("takes its random choices from Random, spread over all the instances", () =>
    Effect.gen(function* () {
      const draw = Effect.gen(function* () {
        const table = yield* RouteTable.make({ strategy: RoutingStrategy.random })
        table.register(
          "owner",
          [1, 2, 3].map((port) => entry("users", "/users", port))
        )
        return ports(table, "/users", 3_000)
      })
      const drawn = yield* Effect.withRandom(draw, Random.make("a seed"))
      assert.deepStrictEqual(yield* Effect.withRandom(draw, Random.make("a seed")), drawn)
      assert.notDeepEqual(yield* Effect.withRandom(draw, Random.make("another seed")), drawn)
      for (const port of [1, 2, 3]) assert.closeTo(drawn.filter((one) => one === port).length, 1_000, 150)
    })
  )

  it("makes routes and changes that cross the wire", () => {
    const table = emptyTable()
    const [change] = table.register("owner", [entry("users", "/users", 1)])
    const json = JSON.parse(JSON.stringify(change))
    assert.deepStrictEqual(Schema.decodeUnknownSync(RouteChange)(json), change)
  })
})
