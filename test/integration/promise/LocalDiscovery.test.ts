import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { InvalidEntry, LocalDiscovery, ServiceNotRegistered } from "effect-ipc/promise"
import { assert, describe, it, onTestFinished } from "vitest"
import * as Port from "../../support/Port.js"
import { ask, changesOf, child, gatewayAt, joined, leading, participant, plain, rolesOf, service } from "./discovery.js"
import { event, rejection } from "./support.js"

describe("join and teardown", () => {
  it("lets the first lead and the others follow", async () => {
    const { leader, port } = await leading()
    const first = participant(port)
    assert.isUndefined(first.getRole())
    await first.join()
    const second = await joined(port)
    assert.deepStrictEqual(
      [leader, first, second].map((each) => each.getRole()),
      ["leader", "follower", "follower"]
    )
    await first.teardown()
    assert.isUndefined(first.getRole())
  })

  it("elects one of those who join at the same instant", async () => {
    const { leader, port } = await leading()
    await leader.teardown()
    const all = await Promise.all([1, 2, 3, 4].map(() => joined(port)))
    assert.deepStrictEqual(all.map((each) => each.getRole()).sort(), ["follower", "follower", "follower", "leader"])
  })

  it("joins once, and again after teardown, without what it had registered", async () => {
    const { leader, port } = await leading()
    const discovery = participant(port, { runtimeId: "worker" })
    const changes = changesOf(leader)
    await Promise.all([discovery.join(), discovery.join()])
    await discovery.register(await service("users"))
    await discovery.join()
    assert.strictEqual((await discovery.instances("users")).length, 1)
    await discovery.teardown()
    await discovery.join()
    assert.strictEqual(discovery.getRole(), "follower")
    assert.deepStrictEqual(await discovery.routes(), [])
    assert.include(changes.all, "Unregistered users of worker")
  })

  it("may be torn down at any time, any number of times", async () => {
    const { port } = await leading()
    const discovery = new LocalDiscovery(port)
    await discovery.teardown()
    const overtaken = discovery.join()
    await discovery.teardown()
    const error = await rejection(overtaken)
    assert.deepStrictEqual(
      [error._tag, error.message],
      ["ConnectionClosed", "teardown() was called before this process had joined."]
    )
    await discovery.join()
    await Promise.all([discovery.teardown(), discovery.teardown()])
  })

  it("is torn down by await using, with what it had registered", async () => {
    const { leader, port } = await leading()
    const changes = changesOf(leader)
    let left: LocalDiscovery
    {
      await using discovery = new LocalDiscovery(port, { runtimeId: "worker" })
      await discovery.join()
      await discovery.register(await service("users"))
      left = discovery
    }
    assert.isUndefined(left.getRole())
    await changes.once("Unregistered users of worker")
    assert.deepStrictEqual(await leader.routes(), [])
  })

  it("rejects where the port is held by something that can't be followed", async () => {
    const foreign = http.createServer((_, response) => response.writeHead(404).end("nothing here"))
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      foreign.close()
    })
    const { port } = foreign.address() as AddressInfo
    const error = await rejection(participant(port).join())
    assert.deepStrictEqual(
      [error._tag, error.message],
      [
        "ConnectFailed",
        `Could not connect to http://127.0.0.1:${port}: the server answered 404 Not Found: nothing here. What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port.`
      ]
    )
  })

  it("rejects without the leader's token, and where one is needed", async () => {
    const { port } = await leading({ token: "a secret of the tests" })
    const refused = await rejection(participant(port).join())
    assert.strictEqual(refused._tag, "ConnectFailed")
    assert.isTrue(refused.message.endsWith("Pass the server's token as { token } (layerConfig reads IPC_TOKEN)."))
    assert.strictEqual((await joined(port, { token: "a secret of the tests" })).getRole(), "follower")
    assert.strictEqual((await rejection(participant(0, { host: "0.0.0.0" }).join()))._tag, "TokenRequired")
  })
})

describe("register, discover and unregister", () => {
  it("reaches a service through the gateway, also one that another participant registered", async () => {
    const { leader, port, url } = await leading({ runtimeId: "leader" })
    const follower = await joined(port, { runtimeId: "follower" })
    const users = await service("users")
    const [orders, carts] = [await service("orders"), await service("carts")]
    await leader.register(users)
    await follower.register([orders, carts])
    for (const discovery of [leader, follower]) {
      for (const api of ["users", "orders", "carts"]) {
        assert.strictEqual(await discovery.discover(api), url)
        assert.deepStrictEqual(await ask(url, `/${api}/7`), { name: api, path: `/${api}/7` })
      }
      const routes = [
        { ...users, owner: "leader", strategy: "roundRobin" },
        { ...orders, owner: "follower", strategy: "roundRobin" },
        { ...carts, owner: "follower", strategy: "roundRobin" }
      ]
      assert.deepStrictEqual(plain(await discovery.routes()), routes)
      assert.deepStrictEqual(plain(await discovery.instances("orders")), routes.slice(1, 2))
      assert.deepStrictEqual(await discovery.instances("unknown"), [])
    }
  })

  it("unregisters what is its own, and leaves the same entry of another", async () => {
    const { leader, port, url } = await leading({ runtimeId: "leader" })
    const follower = await joined(port, { runtimeId: "follower" })
    const users = await service("users")
    const orders = await service("orders")
    await leader.register(users)
    await follower.register([users, orders])
    await follower.unregister(users)
    assert.deepStrictEqual(
      plain(await leader.routes()).map(({ api, owner }) => [api, owner]),
      [
        ["users", "leader"],
        ["orders", "follower"]
      ]
    )
    assert.deepStrictEqual(await ask(url, "/users/7"), { name: "users", path: "/users/7" })
    await follower.unregister([orders])
    await leader.unregister(users)
    assert.strictEqual(await ask(url, "/users/7"), 404)
    await follower.register(users)
    assert.deepStrictEqual(await ask(url, "/users/7"), { name: "users", path: "/users/7" })
  })

  it("rejects for an unregistered api, and lists those that are registered", async () => {
    const { leader, port } = await leading()
    const follower = await joined(port)
    for (const discovery of [leader, follower]) {
      const error = await rejection(discovery.discover("users"))
      assert.instanceOf(error, ServiceNotRegistered)
      assert.deepStrictEqual(
        [error._tag, error.message],
        [
          "ServiceNotRegistered",
          'No service is registered as "users". None is registered at all: are they running, and do they take part at this port?'
        ]
      )
    }
    await follower.register(await service("orders"))
    assert.strictEqual(
      (await rejection(follower.discover("users"))).message,
      'No service is registered as "users". Registered: orders. Is the service running, and is its name spelled so?'
    )
  })

  it("rejects entries that can't be routed, and then registers none", async () => {
    const { leader, port } = await leading()
    const follower = await joined(port)
    const users = await service("users")
    const invalid = { api: "orders", baseUrl: "http://127.0.0.1:4002", pathPrefix: "orders" }
    for (const discovery of [leader, follower]) {
      for (const call of [() => discovery.register([users, invalid]), () => discovery.unregister(invalid)]) {
        const error = await rejection(call())
        assert.instanceOf(error, InvalidEntry)
        assert.strictEqual(error._tag, "InvalidEntry")
        assert.match(error.message, /^The entry .*"orders".* can't be registered: pathPrefix must start with "\/"/)
      }
    }
    assert.deepStrictEqual(await leader.routes(), [])
  })

  it("tells what comes and goes, to the leader and to followers", async () => {
    const { leader, port } = await leading()
    const watching = await joined(port)
    const heard = [leader, watching].map(changesOf)
    const worker = await joined(port, { runtimeId: "worker" })
    const users = await service("users")
    await worker.register(users)
    await worker.unregister(users)
    await worker.register(await service("orders"))
    await worker.teardown()
    for (const changes of heard) {
      await changes.once("Unregistered orders of worker")
      assert.deepStrictEqual(changes.all, [
        "Registered users of worker",
        "Unregistered users of worker",
        "Registered orders of worker",
        "Unregistered orders of worker"
      ])
    }
  })
})

describe("setStrategy", () => {
  const three = async (discovery: LocalDiscovery) => {
    const instances = [await service("users", "a"), await service("users", "b"), await service("users", "c")]
    await discovery.register(instances)
    return instances
  }
  const askFour = async (url: string) => {
    const names: Array<unknown> = []
    for (let n = 0; n < 4; n++) names.push(((await ask(url, "/users/7")) as { readonly name: string }).name)
    return names.join("")
  }

  it("takes a name from any participant, and a function from the leader", async () => {
    const { leader, port, url } = await leading()
    const follower = await joined(port)
    const instances = await three(follower)
    assert.strictEqual(await askFour(url), "abca")
    await follower.setStrategy("users", "last")
    assert.strictEqual(await askFour(url), "cccc")
    await leader.setStrategy("users", (running, path) => {
      assert.strictEqual(path, "/users/7")
      return running.find(({ baseUrl }) => baseUrl === instances[1]?.baseUrl)
    })
    assert.strictEqual(await askFour(url), "bbbb")
    await follower.setStrategy("users", "first")
    assert.strictEqual(await askFour(url), "aaaa")
    assert.deepStrictEqual(
      (await leader.instances("users")).map(({ strategy }) => strategy),
      ["first", "first", "first"]
    )
  })

  it("is also an option, for every api and for one", async () => {
    const standby = await leading({ strategy: "last" })
    await three(standby.leader)
    assert.strictEqual(await askFour(standby.url), "cccc")
    const one = await leading({ strategy: "last", strategies: { users: (running) => running[1] } })
    await three(one.leader)
    assert.strictEqual(await askFour(one.url), "bbbb")
  })

  it("refuses what is neither", async () => {
    const { leader } = await leading()
    const message =
      '"fastest" is not a strategy: pass a function, or one of "first", "last", "random", "roundRobin", "leastConnections".'
    const refused = await leader.setStrategy("users", "fastest" as "first").catch((error: unknown) => error)
    assert.instanceOf(refused, TypeError)
    assert.strictEqual(refused.message, message)
    assert.throws(() => new LocalDiscovery(0, { strategy: "fastest" as "first" }), TypeError, message)
    // What JSON can't hold, too.
    assert.throws(() => new LocalDiscovery(0, { strategy: 1n as never }), TypeError, "a bigint is not a strategy")
  })
})

describe("when the leader goes", () => {
  it("hands over by teardown: a follower leads, and the others' routes stay", async () => {
    const { leader, port, url } = await leading({ runtimeId: "leader" })
    const roles = [participant(port, { runtimeId: "one" }), participant(port, { runtimeId: "two" })].map((each) => ({
      each,
      roles: rolesOf(each)
    }))
    for (const { each } of roles) await each.join()
    const [one, two] = roles.map(({ each }) => each)
    if (one === undefined || two === undefined) return assert.fail("there are two")
    await leader.register(await service("carts"))
    await one.register(await service("users"))
    await two.register(await service("orders"))
    await leader.teardown()
    await Promise.race(roles.map((each) => each.roles.once("leader")))
    for (const discovery of [one, two]) {
      assert.strictEqual(await discovery.discover("users"), url)
      assert.strictEqual(await discovery.discover("orders"), url)
      assert.strictEqual((await rejection(discovery.discover("carts")))._tag, "ServiceNotRegistered")
    }
    assert.deepStrictEqual(await ask(url, "/users/7"), { name: "users", path: "/users/7" })
    assert.deepStrictEqual(await ask(url, "/orders/7"), { name: "orders", path: "/orders/7" })
    assert.deepStrictEqual([one.getRole(), two.getRole()].sort(), ["follower", "leader"])
    const heard = roles.map(({ roles }) => roles.all.join(" ")).sort()
    assert.deepStrictEqual(heard, ["follower electing follower", "follower electing leader"])
  })

  it("is led anew after SIGKILL, with every route but the dead one's", async () => {
    const { leader, port, url } = await leading()
    await leader.teardown()
    const dying = child("promise-participant.ts", String(port))
    await dying.line("leader")
    await dying.line("registered")
    const discovery = participant(port, { runtimeId: "survivor" })
    const roles = rolesOf(discovery)
    await discovery.join()
    await discovery.register(await service("users"))
    assert.deepStrictEqual(
      plain(await discovery.routes())
        .map(({ api }) => api)
        .sort(),
      ["child", "users"]
    )
    assert.deepStrictEqual(await ask(url, "/child/1"), { path: "/child/1" })
    dying.kill()
    await roles.once("leader")
    assert.strictEqual(await discovery.discover("users"), url)
    assert.deepStrictEqual(await ask(url, "/users/7"), { name: "users", path: "/users/7" })
    assert.deepStrictEqual(
      plain(await discovery.routes()).map(({ api }) => api),
      ["users"]
    )
    assert.deepStrictEqual(roles.all, ["follower", "electing", "leader"])
  })

  it("tells roles in spite of callbacks that throw and reject, and one that tears down", async () => {
    const { leader, port } = await leading()
    const discovery = participant(port)
    const done = event()
    discovery.onRoleChange(() => {
      throw new Error("a callback that throws")
    })
    discovery.onRoleChange(async () => {
      throw new Error("a callback that rejects")
    })
    discovery.onRoleChange(async (role) => {
      if (role !== "leader") return
      await discovery.teardown()
      done.fire()
    })
    await discovery.join()
    await leader.teardown()
    await done.fired
    assert.isUndefined(discovery.getRole())
  })
})

describe("whileLeader", () => {
  it("waits for this process to lead, and settles as the call does", async () => {
    const { leader, port } = await leading()
    const follower = await joined(port)
    const calls: Array<string> = []
    const waiting = follower.whileLeader(() => {
      calls.push("follower")
      return "led"
    })
    assert.strictEqual(
      await leader.whileLeader(async () => {
        calls.push("leader")
        return 42
      }),
      42
    )
    const broken = new Error("on purpose")
    const thrown = leader.whileLeader(() => {
      throw broken
    })
    assert.strictEqual(await thrown.catch((error: unknown) => error), broken)
    assert.deepStrictEqual(calls, ["leader"])
    await leader.teardown()
    assert.strictEqual(await waiting, "led")
    assert.strictEqual(follower.getRole(), "leader")
  })

  it("aborts the signal at teardown, and hands over at once; teardown waits for the call", async () => {
    const { leader, port } = await leading()
    const follower = participant(port)
    const roles = rolesOf(follower)
    await follower.join()
    const started = event()
    const done = event<unknown>()
    const working = leader.whileLeader(async (signal) => {
      started.fire()
      await abortOf(signal)
      await roles.once("leader")
      done.fire("done")
    })
    await started.fired
    const tornDown = leader.teardown().then(() => "torn down")
    assert.strictEqual(await Promise.race([done.fired, tornDown]), "done")
    await tornDown
    const error = await rejection(working)
    assert.deepStrictEqual(
      [error._tag, error.message],
      ["ConnectionClosed", "teardown() was called before whileLeader() was done."]
    )
  })

  it("keeps no teardown waiting for a call that ignores its signal", async () => {
    const { leader, port } = await leading()
    const started = event()
    leader.whileLeader(() => {
      started.fire()
      return new Promise(() => {})
    })
    await started.fired
    await leader.teardown()
    assert.strictEqual((await joined(port)).getRole(), "leader")
  })

  it("aborts the signal when a gateway takes over, and drops what the call then rejects with", async () => {
    const { leader, port } = await leading()
    const roles = rolesOf(leader)
    const started = event()
    const aborted = event()
    leader.whileLeader(async (signal) => {
      started.fire()
      await abortOf(signal)
      aborted.fire()
      throw new Error("a call that ends by throwing")
    })
    await started.fired
    assert.isTrue(await gatewayAt(port).start())
    await aborted.fired
    await roles.once("follower")
  })
})

const abortOf = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve()))

describe("calls at the wrong time", () => {
  it("reject before join and after teardown, saying what to do", async () => {
    const { port } = await leading()
    const discovery = participant(port)
    const users = await service("users")
    const calls: Record<string, () => Promise<unknown>> = {
      register: () => discovery.register(users),
      unregister: () => discovery.unregister(users),
      discover: () => discovery.discover("users"),
      instances: () => discovery.instances("users"),
      routes: () => discovery.routes(),
      setStrategy: () => discovery.setStrategy("users", "first"),
      whileLeader: () => discovery.whileLeader(() => {})
    }
    const expectRejections = async () => {
      for (const [method, call] of Object.entries(calls)) {
        const error = await rejection(call())
        assert.deepStrictEqual(
          [error._tag, error.message],
          [
            "ConnectionClosed",
            `${method}() was called while this process doesn't take part at 127.0.0.1:${port}. Await join() first, and again after teardown().`
          ]
        )
      }
    }
    await expectRejections()
    await discovery.join()
    await discovery.teardown()
    await expectRejections()
  })

  it("wait for a leader where there is none, until it comes, within their timeout, or until teardown", async () => {
    const port = await Port.free()
    const gateway = gatewayAt(port)
    await gateway.start()
    const discovery = participant(port)
    const roles = rolesOf(discovery)
    await discovery.join()
    const users = await service("users")
    await discovery.register(users)
    await gateway.teardown()
    await roles.once("electing")
    const late = await rejection(discovery.discover("users", 30))
    assert.deepStrictEqual(
      [late._tag, late.message],
      [
        "RequestTimeout",
        'Request "discovery/discoverApi" to the leader was not sent within 30 ms: the standalone gateway is gone, and no participant takes its place. Start it again.'
      ]
    )
    assert.strictEqual((await rejection(discovery.register(users, 30)))._tag, "RequestTimeout")
    assert.strictEqual((await rejection(discovery.unregister({ ...users, api: "other" }, 30)))._tag, "RequestTimeout")
    const waiting = discovery.discover("users")
    const back = gatewayAt(port)
    assert.isTrue(await back.start())
    assert.strictEqual(await waiting, back.getUrl())
    assert.strictEqual((await discovery.instances("users")).length, 1)

    await back.teardown()
    const overtaken = rejection(discovery.discover("users"))
    await discovery.teardown()
    assert.strictEqual((await overtaken).message, "teardown() was called before discover() was done.")
  })
})
