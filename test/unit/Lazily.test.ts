import { assert, describe, it } from "@effect/vitest"
import { imported } from "../../layers/Lazily.js"

const failing = () => Promise.reject(new Error("EMFILE: too many open files"))

describe("a module that is loaded when it is first needed", () => {
  it("is there though an import of it has failed, which Node remembers", async () => {
    const { fetch } = await imported<typeof import("undici")>("undici", failing)
    assert.isFunction(fetch)
    const platform = await imported<typeof import("@effect/platform/HttpServerResponse")>(
      "@effect/platform/HttpServerResponse",
      failing
    )
    assert.strictEqual(platform.empty({ status: 204 }).status, 204)
  })

  it("is missing where it isn't installed", async () => {
    const error = await imported("no-such-module", failing).catch(String)
    assert.include(error as string, "Cannot find module 'no-such-module'")
  })
})
