import type { RouteProxyResolver, Upstream } from "effect-ipc"

/** Base URLs by the first segment of the path they serve. */
export type Routes = Readonly<Record<string, ReadonlyArray<string>>>

/** Takes the instances of a path in turn; one that refuses the connection is passed over for the next. */
export const roundRobin = (routes: Routes): RouteProxyResolver => {
  let turn = 0
  return (path) => {
    const segment = /^\/([^/?]*)/.exec(path)?.[1] ?? ""
    const instances = Object.hasOwn(routes, segment) ? (routes[segment] ?? []) : []
    if (instances.length === 0) return undefined
    const first = turn++
    const upstream = (tried: number): Upstream => ({
      baseUrl: instances[(first + tried) % instances.length] as string,
      next: () => (tried + 1 < instances.length ? upstream(tried + 1) : undefined)
    })
    return upstream(0)
  }
}
