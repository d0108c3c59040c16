/**
 * Payloads of discovery's requests that are wrong in type, size or depth, or that aren't JSON at all.
 */
import type { Dice } from "./Dice.js"

const strings = [
  "",
  " ",
  "users",
  "/users",
  "/",
  "//",
  "/a?b",
  "/%zz",
  "/b\u00fccher",
  "http://127.0.0.1:1",
  "http://127.0.0.1:1/",
  "http://[::1",
  "http://",
  "ws://127.0.0.1:1",
  "javascript:alert(1)",
  "http://user:password@127.0.0.1:1",
  "http://127.0.0.1:99999",
  "__proto__",
  "constructor",
  "toString",
  "\u0000",
  "\ud800",
  "\u202e",
  "a\nb",
  "\u001b[31m",
  "roundRobin",
  "n".repeat(300),
  `/${"p".repeat(3000)}`,
  `http://127.0.0.1:1/${"u".repeat(5000)}`,
  "h".repeat(100_000)
]

const numbers = ["0", "-0", "1e308", "1e999", "-1e999", "0.1", "9007199254740993", "1".repeat(400)]

const keys = [
  "api",
  "baseUrl",
  "pathPrefix",
  "strategy",
  "owner",
  "registeredAt",
  "__proto__",
  "constructor",
  "toJSON",
  "length",
  "",
  "then"
]

/** A JSON text of any kind. */
const anything = (dice: Dice, depth: number): string => {
  switch (dice.below(depth === 0 ? 4 : 7)) {
    case 0:
      return JSON.stringify(dice.pick(strings))
    case 1:
      return dice.pick(numbers)
    case 2:
      return dice.pick(["null", "true", "false"])
    case 3:
      return dice.pick(["[]", "{}", "[null]", '{"__proto__":{"polluted":true}}'])
    case 4:
      return `[${dice.some(0, 4, () => anything(dice, depth - 1)).join(",")}]`
    default:
      return `{${dice.some(0, 5, () => `${JSON.stringify(dice.pick(keys))}:${anything(dice, depth - 1)}`).join(",")}}`
  }
}

/** An entry, most of it as it should be. */
const entry = (dice: Dice): string => {
  const field = (name: string, right: string) =>
    dice.chance(0.05) ? "" : `"${name}":${dice.chance(0.7) ? JSON.stringify(right) : anything(dice, 1)}`
  const number = dice.below(100)
  const fields = [
    field("api", `api-${number}`),
    field("baseUrl", `http://127.0.0.1:${1 + number}`),
    field("pathPrefix", `/api-${number}`),
    dice.chance(0.2) ? `${JSON.stringify(dice.pick(keys))}:${anything(dice, 2)}` : ""
  ]
  return `{${fields.filter((text) => text !== "").join(",")}}`
}

const deep = (dice: Dice): string => {
  const depth = dice.pick([100, 5000, 200_000])
  return dice.pick([
    "[".repeat(depth),
    "[".repeat(depth) + "]".repeat(depth),
    `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
    `[{"api":${"[".repeat(depth)}`
  ])
}

const requests = [
  "register",
  "register",
  "register",
  "unregister",
  "discoverApi",
  "routes",
  "watch",
  "setStrategy",
  "getServerInfo",
  "requestYield",
  "changed",
  "__proto__"
]

/** What follows `r:id:` in a request of discovery. */
export const discoveryRequest = (dice: Dice): string => {
  const name = dice.pick(requests)
  const payload = dice.pick([
    () => `[${dice.some(0, 20, () => entry(dice)).join(",")}]`,
    () => `[${dice.some(0, 20, () => entry(dice)).join(",")}]`,
    () => entry(dice),
    () => anything(dice, 3),
    () => anything(dice, 0),
    () => (dice.chance(0.1) ? deep(dice) : ""),
    () => anything(dice, 3).slice(0, -1),
    () => `${dice.pick(["", " ", "\u0000", "undefined", "NaN", "'a'", "// "])}${anything(dice, 1)}`
  ])()
  return `discovery/${name}:${payload}`
}
