import { assert, describe, it } from "@effect/vitest"
import * as CommandLine from "../../../layers/cli/CommandLine.js"
import * as RouteListing from "../../../layers/cli/RouteListing.js"
import type { Route } from "../../../src/DiscoveryEntry.js"

const route = (fields: Partial<Route>): Route => ({
  kind: "http",
  api: "users",
  pathPrefix: "/users",
  baseUrl: "http://127.0.0.1:4001",
  owner: "users-1",
  registeredAt: 0,
  connections: 0,
  strategy: "roundRobin",
  ...fields
})

describe("the table of routes", () => {
  it("is sorted by api, prefix and age, in columns as wide as they need to be", () => {
    const routes = [
      route({ owner: "younger", registeredAt: 60_000 }),
      route({ owner: "older" }),
      route({ api: "a", pathPrefix: "/", strategy: "last" }),
      route({ kind: "ipc", pathPrefix: "", owner: "users-1" })
    ]
    assert.deepStrictEqual(RouteListing.table(routes, "http://127.0.0.1:9000", 61_000).split("\n"), [
      "API    PREFIX  INSTANCE               OWNER    STRATEGY    AGE",
      "a      /       http://127.0.0.1:4001  users-1  last        1m",
      "users  ipc     http://127.0.0.1:4001  users-1  roundRobin  1m",
      "users  /users  http://127.0.0.1:4001  older    roundRobin  1m",
      "users  /users  http://127.0.0.1:4001  younger  roundRobin  1s"
    ])
  })

  it("escapes control sequences in names before they reach the terminal", () => {
    const table = RouteListing.table([route({ owner: "\u001b[2Jx\r\n\u009b" })], "", 0)
    assert.include(table, "?[2Jx???")
  })

  it("tells an age in its greatest whole unit", () => {
    const ages = [-5, 999, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000 * 2.5].map(RouteListing.age)
    assert.deepStrictEqual(ages, ["0s", "0s", "59s", "1m", "59m", "1h", "2d"])
  })
})

describe("the changes between two listings", () => {
  it("are what came and what went, by owner and instance", () => {
    const [one, two, three] = ["1", "2", "3"].map((owner) => route({ owner }))
    const changes = RouteListing.changes([one, two] as Array<Route>, [two, three] as Array<Route>, 0)
    assert.deepStrictEqual(
      changes.split("\n").map((line) => line.slice("hh:mm:ss".length)),
      ["  -  users  /users  http://127.0.0.1:4001  1", "  +  users  /users  http://127.0.0.1:4001  3"]
    )
  })

  it("don't count how busy an instance is, or in what order they are listed", () => {
    const [one, two] = [route({ owner: "1" }), route({ owner: "2" })]
    assert.isTrue(RouteListing.sameRoutes([one, two], [two, { ...one, connections: 9 }]))
    assert.isFalse(RouteListing.sameRoutes([one, two], [one]))
    assert.isFalse(RouteListing.sameRoutes([one, two], [one, route({ owner: "3" })]))
  })
})

describe("the command line", () => {
  const split = (...words: ReadonlyArray<string>) => CommandLine.split(["node", "main.js", ...words])

  it("is parted at the first -- of run, and nowhere else", () => {
    assert.deepStrictEqual(split("run", "--api", "a", "--", "b", "--help", "--", ""), [
      ["node", "main.js", "run", "--api", "a"],
      ["b", "--help", "--", ""]
    ])
    assert.deepStrictEqual(split("--log-level", "debug", "run", "--")[0].length, 5)
    for (const words of [
      ["run", "b"],
      ["serve", "--", "run"],
      ["--", "run"],
      ["routes", "run", "--", "b"]
    ]) {
      assert.deepStrictEqual(split(...words), [["node", "main.js", ...words], []])
    }
  })

  it("is for the first subcommand in it", () => {
    assert.strictEqual(CommandLine.subcommandOf(["node", "run", "--log-level", "debug", "routes", "run"]), "routes")
    assert.isUndefined(CommandLine.subcommandOf(["node", "run", "--help"]))
  })
})
