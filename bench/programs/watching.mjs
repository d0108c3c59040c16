/**
 * Who watches a gateway: an inspector, or an open page of one, which reads what changes as the page's script does.
 * Run with --expose-gc.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Inspector } from "effect-ipc/node"
import { answering } from "./answering.mjs"

const get = async ({ origin, token }, path, signal) => {
  const response = await fetch(`${origin}/api/${path}`, { headers: { authorization: `Bearer ${token}` }, signal })
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response
}

let scope
let inspector
let page

const statusOf = async () => (await get(inspector, "status")).json()

const readEvents = async (of) => {
  const decoder = new TextDecoder()
  let rest = ""
  for await (const chunk of (await get(of, "events", page.abort.signal)).body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
    rest = lines.pop()
    for (const line of lines) page.exchanges += JSON.parse(line).exchanges.length
  }
}

answering({
  /** Done once it has seen an exchange. */
  watch: async (port) => {
    scope = await Effect.runPromise(Scope.make())
    inspector = await Effect.runPromise(Scope.extend(Inspector.make({ gateway: { port } }), scope))
    while ((await statusOf()).exchanges === 0) {
      const response = await fetch(`http://127.0.0.1:${port}/users/42`)
      await response.arrayBuffer()
    }
    return inspector
  },
  unwatch: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  status: statusOf,
  open: (of) => {
    page = { abort: new AbortController(), exchanges: 0, failure: undefined }
    page.ended = readEvents(of).catch((error) => {
      if (!page.abort.signal.aborted) page.failure = error
    })
  },
  /** How many exchanges it was told. */
  close: async () => {
    page.abort.abort()
    await page.ended
    if (page.failure !== undefined) throw page.failure
    return page.exchanges
  }
})
