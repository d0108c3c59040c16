import { assert, describe, it } from "@effect/vitest"
import * as Userinfo from "../../../src/internal/Userinfo.js"

describe("A URL that is shown", () => {
  it("has no user and no password, however it is written", () => {
    const shown = {
      "http://user:secret@127.0.0.1:4001/x?y=1": "http://127.0.0.1:4001/x?y=1",
      "http://secret@h:1": "http://h:1",
      "http://:secret@h:1": "http://h:1",
      "http://user:p@ss:secret@h:1/": "http://h:1/",
      "http:user:secret@h:1/": "http://h:1/",
      "HTTPS:\\\\user:secret@h/": "https://h/",
      "nats://user:secret@h:4222": "nats://h:4222",
      "ws://user:%73ecret@h:1/a": "ws://h:1/a",
      // No URLs.
      "http://user:sec/ret@h:1": "h:1",
      "user:secret@h:4222": "h:4222",
      "not a url user:secret@": ""
    }
    assert.deepStrictEqual(Object.fromEntries(Object.keys(shown).map((url) => [url, Userinfo.hidden(url)])), shown)
  })

  it("is as it was where it names neither", () => {
    for (const url of ["http://127.0.0.1:4001", "http://h/@scope/a@b?c=d@e#f@g", "nothing", ""]) {
      assert.deepStrictEqual([Userinfo.hidden(url), Userinfo.isIn(url)], [url, false])
    }
  })
})
