/**
 * What the tests of the facade's discovery share: participants and gateways that end with their test, services to
 * register, and children that take part.
 */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import {
  type DiscoveryEntry,
  Gateway,
  type GatewayOptions,
  LocalDiscovery,
  type LocalDiscoveryOptions,
  type Role,
  type Route
} from "effect-ipc/promise"
import { assert, onTestFinished } from "vitest"
import * as Port from "../../support/Port.js"
import { program } from "../../support/program.js"
import { event, serve } from "./support.js"

export const participant = (port: number, options?: LocalDiscoveryOptions): LocalDiscovery => {
  const discovery = new LocalDiscovery(port, options)
  onTestFinished(() => discovery.teardown())
  return discovery
}

export const joined = async (port: number, options?: LocalDiscoveryOptions): Promise<LocalDiscovery> => {
  const discovery = participant(port, options)
  await discovery.join()
  return discovery
}

/** A leader at a port that was free. */
export const leading = async (options?: LocalDiscoveryOptions) => {
  const port = await Port.free()
  const leader = await joined(port, options)
  assert.strictEqual(leader.getRole(), "leader")
  return { leader, port, url: `http://127.0.0.1:${port}` }
}

export const gatewayAt = (port: number, options?: GatewayOptions): Gateway => {
  const gateway = new Gateway(port, options)
  onTestFinished(() => gateway.teardown())
  return gateway
}

/** A service that answers everything with its name and the path, and its entry. */
export const service = async (api: string, name = api): Promise<DiscoveryEntry> => {
  const server = await serve()
  server.interceptHttp("ALL", "/*", (_, { "*": path }) => ({ name, path: `/${path}` }))
  return { api, baseUrl: server.getUrl(), pathPrefix: `/${api}` }
}

/** The JSON that a path is answered with, over a connection of its own. */
export const ask = async (gatewayUrl: string, path: string): Promise<unknown> => {
  const response = await fetch(gatewayUrl + path, { headers: { connection: "close" } })
  return response.ok ? await response.json() : response.status
}

/** Routes without what differs from run to run. */
export const plain = (routes: ReadonlyArray<Route>) =>
  routes.map(({ api, baseUrl, owner, pathPrefix, strategy }) => ({ api, baseUrl, owner, pathPrefix, strategy }))

/** What a callback was told, and when it was told something. */
export const heard = <A>() => {
  const all: Array<A> = []
  const waiting = new Map<A, () => void>()
  return {
    all,
    hear: (value: A) => {
      all.push(value)
      waiting.get(value)?.()
    },
    /** When it is told this, from now on or ever before. */
    once: async (value: A): Promise<void> => {
      if (all.includes(value)) return
      const { fire, fired } = event()
      waiting.set(value, fire)
      await fired
    }
  }
}

export const rolesOf = (discovery: LocalDiscovery) => {
  const roles = heard<Role>()
  discovery.onRoleChange(roles.hear)
  return roles
}

export const changesOf = (discovery: LocalDiscovery | Gateway) => {
  const changes = heard<string>()
  discovery.onChange(({ _tag, route }) => changes.hear(`${_tag} ${route.api} of ${route.owner}`))
  return changes
}

/** A program of test/support/processes, killed with its test. */
export const child = (name: string, ...args: ReadonlyArray<string>) => {
  const path = program(`test/support/processes/${name}`)
  const started = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  const kill = () => {
    started.kill("SIGKILL")
  }
  onTestFinished(kill)
  const lines = heard<string>()
  let err = ""
  const reader = createInterface({ input: started.stdout }).on("line", lines.hear)
  const read = new Promise((resolve) => reader.once("close", resolve))
  started.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text
  })
  const ended = new Promise<{ code: number | null; signal: string | null; lines: Array<string>; err: string }>(
    (resolve) => {
      started.once("close", async (code, signal) => {
        await read
        resolve({ code, signal, lines: lines.all, err })
      })
    }
  )
  /** Fails where the child ends without the line. */
  const line = (text: string) =>
    Promise.race([
      lines.once(text),
      ended.then(({ err, lines }) => {
        if (!lines.includes(text)) assert.fail(`${name} ended before it said ${text}: ${lines.join("\n")}${err}`)
      })
    ])
  return { line, kill, ended }
}
