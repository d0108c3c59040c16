/** What each request leaves behind, in bytes: a leak to plant, for seeing the load fail. */
const leakedBytes = Number(process.env.LOAD_LEAK ?? 0)

const leaked: Array<unknown> = []
let count = 0

/** Called once for each request that this process begins or answers. */
export const eachRequest = (): void => {
  count++
  if (leakedBytes > 0) leaked.push(new Array(Math.ceil(leakedBytes / 8)).fill(0))
}

export const requestCount = (): number => count
