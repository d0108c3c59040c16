/** A runner that the tests start in each of Vitest's pools, and kill. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  // As it was compiled for the tests: a runner that compiles the library takes several times as long.
  resolve: { alias: [{ find: /^.*\/testing-entry\.js$/, replacement: process.env.TESTING_ENTRY as string }] },
  test: { include: ["suite.ts"], root: import.meta.dirname, testTimeout: 180_000, bail: 1, watch: false }
})
