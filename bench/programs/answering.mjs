import { getHeapSpaceStatistics } from "node:v8"

/**
 * A measured program under the harness's orders: they come over Node's own process channel, so that they share nothing
 * with what is measured. It ends when the harness does.
 */
export const answering = (functions) => {
  process.on("message", async ({ id, call, args }) => {
    try {
      const value = await (functions[call] ?? own[call])(...args)
      process.send({ id, value })
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) })
    }
  })
  // An exit of its own accord also writes the profile that --cpu-prof asked for.
  process.on("disconnect", () => process.exit(0))
  process.send({ id: 0, value: "ready" })
}

/** What every program answers. */
const own = {
  /** The processor time that this process has taken, all its threads, in milliseconds. */
  cpu: () => {
    const { system, user } = process.cpuUsage()
    return (system + user) / 1000
  },
  /** What this process holds once its garbage is collected, in bytes. Needs --expose-gc. */
  memory: async () => {
    for (let i = 0; i < 5; i++) {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { external, heapUsed, rss } = process.memoryUsage()
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").physical_space_size
    return { rss, heap: heapUsed + external, young }
  }
}
