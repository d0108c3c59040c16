import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-ipc$/, replacement: source("./src/index.ts") },
      { find: /^effect-ipc\/node$/, replacement: source("./layers/index.ts") },
      { find: /^effect-ipc\/promise$/, replacement: source("./layers/promise/index.ts") },
      { find: /^effect-ipc\/testing$/, replacement: source("./layers/testing/index.ts") },
      { find: /^effect-ipc\/socket$/, replacement: source("./src/SocketTransport.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/testing/*.test.ts"],
    testTimeout: 30_000
  }
})
