import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const resolve = {
  alias: [
    { find: /^effect-ipc$/, replacement: source("./src/index.ts") },
    { find: /^effect-ipc\/node$/, replacement: source("./layers/index.ts") },
    { find: /^effect-ipc\/nats$/, replacement: source("./layers/nats/index.ts") },
    { find: /^effect-ipc\/http-proxy$/, replacement: source("./layers/http-proxy/index.ts") },
    { find: /^effect-ipc\/promise$/, replacement: source("./layers/promise/index.ts") },
    { find: /^effect-ipc\/testing$/, replacement: source("./layers/testing/index.ts") },
    { find: /^effect-ipc\/rpc$/, replacement: source("./layers/rpc/index.ts") },
    { find: /^effect-ipc\/socket$/, replacement: source("./layers/socket/index.ts") }
  ]
}

/** Suites that hold others to a second, or that want all processors for themselves. */
const demanding = [
  "test/integration/Shutdown.test.ts",
  "test/integration/http/HttpStreaming.test.ts",
  "test/integration/interception/Spy.test.ts"
]

/** Floods, attacks and kills: they take the processors for longer than all other tests together. */
const stress = "test/stress/**/*.test.ts"

export default defineConfig({
  test: {
    globalSetup: "test/support/compile.ts",
    // The library is loaded once a worker. There is one more than the smallest machine has processors: tests often wait.
    isolate: false,
    minWorkers: 3,
    maxWorkers: 3,
    projects: [
      {
        resolve,
        test: {
          name: "side by side",
          include: ["test/**/*.test.ts", "examples/testing/*.test.ts"],
          exclude: [...demanding, stress],
          setupFiles: "test/support/setup.ts",
          testTimeout: 30_000
        }
      },
      {
        resolve,
        test: {
          name: "one by one",
          include: demanding,
          setupFiles: "test/support/setup.ts",
          testTimeout: 30_000,
          poolOptions: { forks: { singleFork: true } },
          sequence: { groupOrder: 1 }
        }
      },
      {
        resolve,
        test: {
          name: "stress",
          include: [stress],
          setupFiles: "test/support/setup.ts",
          testTimeout: 30_000,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
