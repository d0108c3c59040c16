import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { bundle } from "../simulation/Bundle.js"
import { defects } from "../simulation/Defects.js"
import { faults, generate } from "../simulation/Schedule.js"
import { groups, runSeed } from "../simulation/Seeds.js"
import { World } from "../simulation/World.js"

const directory = mkdtempSync(join(tmpdir(), "effect-ipc-simulation-"))
afterAll(() => rmSync(directory, { recursive: true }))

/** `npm run simulate` runs as many as it is told. */
const seeds = Array.from({ length: 3 }, (_, index) => index + 1)

describe("A schedule", () => {
  it("has at least 200 steps and ten faults, and follows from its seed", () => {
    for (const seed of seeds) {
      const { steps } = generate(new World(seed))
      assert.isAtLeast(steps.length, 200)
      assert.isAtLeast(steps.filter(({ what }) => faults.has(what)).length, 10)
      assert.deepStrictEqual(generate(new World(seed)).steps, steps)
    }
  })
})

for (const name of Object.keys(groups)) {
  describe(`A group of participants that elect by ${name}`, () => {
    it("keeps every invariant under a few seeds", async () => {
      for (const seed of seeds) assert.deepStrictEqual([seed, await runSeed(name, seed)], [seed, undefined])
    })
  })
}

describe("A participant that elects by kv", () => {
  it("isn't elected because the server's clock dropped the leader's record while it was stopped itself", async () => {
    // Schedules that once had two leaders.
    for (const seed of [2195, 2408]) assert.deepStrictEqual([seed, await runSeed("kv", seed)], [seed, undefined])
  })
})

describe("The simulation finds", () => {
  for (const [name, defect] of Object.entries(defects)) {
    it(name, async () => {
      const file = join(directory, `${defect.seed}-${name.replaceAll(/\W+/g, "-")}.mjs`)
      await bundle("Seeds.ts", file, defect)
      const changed: { readonly runSeed: typeof runSeed } = await import(pathToFileURL(file).href)
      assert.strictEqual((await changed.runSeed(defect.election, defect.seed))?.invariant, defect.violates)
    })
  }
})
