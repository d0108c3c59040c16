/**
 * Routes as text. Pure: the time is an argument.
 *
 * @internal
 */
import type { Route } from "../../src/DiscoveryEntry.js"
import { printable } from "../../src/internal/Printable.js"

/** One row for each route, sorted by api, prefix and age. Without the time, no ages are shown. */
export const table = (routes: ReadonlyArray<Route>, where: string, now?: number): string => {
  if (routes.length === 0) return `No service is registered at ${where}.`
  const ageOf = (route: Route) => (now === undefined ? [] : [age(now - route.registeredAt)])
  return aligned([
    ["API", "PREFIX", "INSTANCE", "OWNER", "STRATEGY", ...(now === undefined ? [] : ["AGE"])],
    ...[...routes].sort(byApi).map((route) => [...naming(route), route.owner, route.strategy, ...ageOf(route)])
  ])
}

/** One row for each route that was added or removed. */
export const changes = (before: ReadonlyArray<Route>, after: ReadonlyArray<Route>, now: number): string => {
  const time = new Date(now).toTimeString().slice(0, 8)
  const row = (sign: string) => (route: Route) => [time, sign, ...naming(route), route.owner]
  return aligned([...without(before, after).map(row("-")), ...without(after, before).map(row("+"))])
}

/** Whether both have the same instances and owners. How busy an instance is doesn't count. */
export const sameRoutes = (one: ReadonlyArray<Route>, other: ReadonlyArray<Route>): boolean =>
  one.length === other.length && without(one, other).length === 0

/** A time span in its largest whole unit. */
export const age = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** An endpoint has no prefix. */
const naming = (route: Route) => [route.api, route.kind === "ipc" ? "ipc" : route.pathPrefix, route.baseUrl]

const byApi = (one: Route, other: Route): number =>
  compare(one.api, other.api) || compare(one.pathPrefix, other.pathPrefix) || one.registeredAt - other.registeredAt

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

const keyOf = (route: Route): string => JSON.stringify([route.owner, ...naming(route)])

const without = (routes: ReadonlyArray<Route>, others: ReadonlyArray<Route>): ReadonlyArray<Route> => {
  const keys = new Set(others.map(keyOf))
  return routes.filter((route) => !keys.has(keyOf(route)))
}

const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map(printable))
  const widthOf = (column: number) => cells.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0)
  const widths = (cells[0] ?? []).map((_, column) => widthOf(column))
  const line = (row: ReadonlyArray<string>) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
  return cells.map((row) => line(row).trimEnd()).join("\n")
}
