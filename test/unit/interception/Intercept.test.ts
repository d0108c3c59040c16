/** What plain JavaScript may call the constructors with, and what each then says. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Intercept from "../../../src/Intercept.js"

const message = (call: string): string => {
  try {
    new Function("Intercept", "Headers", "URL", `return Intercept.${call}`)(Intercept, Headers, URL)
  } catch (error) {
    assert.instanceOf(error, TypeError, call)
    return (error as Error).message
  }
  return assert.fail(`${call} is taken`)
}

describe("Intercept refuses at once, and says what to pass:", () => {
  it("matchers", () => {
    const calls = [
      "any(5)",
      "any({ pth: '/a' })",
      "any({ path: 5 })",
      "request()",
      "request('GET')",
      "get()",
      "post(5)",
      "put(null)",
      "patch({ path: '/a' })",
      "del()",
      "get('/a', { header: {} })",
      "get('/a', { method: 'POST' })",
      "get('/a', null)",
      "exact()"
    ]
    expect(calls.map(message)).toMatchInlineSnapshot(`
      [
        "Intercept.any: its matcher is an object of path, query, headers, body, api, not a number.",
        "Intercept.any: its matcher has no "pth". Did you mean "path"? It takes path, query, headers, body, api.",
        "Intercept.any: its path is a string like "/users/:id" or an expression, not a number.",
        "Intercept.request: its method is a string like "GET", not undefined.",
        "Intercept.request: its path is a string like "/users/:id" or an expression, not undefined; Intercept.any() takes requests at any path.",
        "Intercept.get: its path is a string like "/users/:id" or an expression, not undefined; Intercept.any() takes requests at any path.",
        "Intercept.post: its path is a string like "/users/:id" or an expression, not a number.",
        "Intercept.put: its path is a string like "/users/:id" or an expression, not null.",
        "Intercept.patch: its path is a string like "/users/:id" or an expression, not an object.",
        "Intercept.del: its path is a string like "/users/:id" or an expression, not undefined; Intercept.any() takes requests at any path.",
        "Intercept.get: its second argument has no "header". Did you mean "headers"? It takes query, headers, body, api.",
        "Intercept.get: its second argument has no "method". It takes query, headers, body, api.",
        "Intercept.get: its second argument is an object of query, headers, body, api, not null.",
        "Intercept.exact: it takes a value; Intercept.absent is for none.",
      ]
    `)
  })

  it("answers", () => {
    const calls = [
      "json()",
      "json(() => 1)",
      "json(1n)",
      "json({}, { stat: 1 })",
      "json({}, { status: '201' })",
      "json({}, { headers: { 'x-a': 1 } })",
      "json({}, { headers: { 'x a': '1' } })",
      "json({}, { headers: { 'x-a': 'a\\nb' } })",
      "json({}, { headers: new Headers() })",
      "json({}, null)",
      "text(5)",
      "status()",
      "status('x')",
      "status(99)",
      "status(204, 'x-a: 1')",
      "bytes('a')",
      "file(5)",
      "file('')",
      "file(new URL('https://users.test/a'))",
      "sequence()",
      "sequence({ a: 1 })"
    ]
    expect(calls.map(message)).toMatchInlineSnapshot(`
      [
        "Intercept.json: it takes a value that JSON has, not undefined; Intercept.status(…) answers without a body.",
        "Intercept.json: it takes a value that JSON has, not a function; Intercept.status(…) answers without a body.",
        "Intercept.json: it takes a value that JSON has: Do not know how to serialize a BigInt.",
        "Intercept.json: its options have no "stat". Did you mean "status"? They take status, headers.",
        "Intercept.json: its status is a whole number from 200 to 999, not "201".",
        "Intercept.json: its header x-a is text: pass "1", not a number.",
        "Intercept.json: "x a" is no name of a header.",
        "Intercept.json: its header x-a has a character that no header can have: "a\\nb".",
        "Intercept.json: its headers are an object of names and values: pass Object.fromEntries(headers).",
        "Intercept.json: its options are an object of status, headers, not null.",
        "Intercept.text: it takes a string, not a number; Intercept.json(…) takes any value.",
        "Intercept.status: its status is a whole number from 200 to 999, not undefined.",
        "Intercept.status: its status is a whole number from 200 to 999, not "x".",
        "Intercept.status: its status is a whole number from 200 to 999, not 99.",
        "Intercept.status: its headers are an object of names and values, not a string.",
        "Intercept.bytes: it takes a Uint8Array, not a string; Intercept.text(…) takes a string.",
        "Intercept.file: its file is a path or a URL, not 5.",
        "Intercept.file: its file is a path or a URL, not "".",
        "Intercept.file: its file is at the URL of a file, not at https:.",
        "Intercept.sequence: it takes at least one handler.",
        "Intercept.sequence: it takes handlers, such as Intercept.json(…), not an object.",
      ]
    `)
  })

  it("events", () => {
    const calls = [
      "sse(7)",
      "sse('one')",
      "sse([], { intervl: 1 })",
      "sse([], { interval: 'soon' })",
      "sse([{ data: 1, event: 'a\\nb' }])",
      "sse([{ data: 1, id: 'a\\rb' }])",
      "sse([{ data: 1, id: 'a\\0' }])",
      "sse([{ data: 1, event: {} }])",
      "sse([{ data: 1, retry: 0.5 }])"
    ]
    expect(calls.map(message)).toMatchInlineSnapshot(`
      [
        "Intercept.sse: events are an array, an iterable or a Stream, not a number.",
        "Intercept.sse: events are an array, an iterable or a Stream, not a string.",
        "Intercept.sse: its options have no "intervl". Did you mean "interval"? They take interval, headers.",
        "Intercept.sse: its interval is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
        "Intercept.sse: the event of an event is on one line: "a\\nb" has a line break or a NUL. Data may have several lines.",
        "Intercept.sse: the id of an event is on one line: "a\\rb" has a line break or a NUL. Data may have several lines.",
        "Intercept.sse: the id of an event is on one line: "a\\u0000" has a line break or a NUL. Data may have several lines.",
        "Intercept.sse: the event of an event is a string, not an object.",
        "Intercept.sse: the retry of an event is a whole number of milliseconds, not 0.5.",
      ]
    `)
  })

  it("counts and faults", () => {
    const calls = [
      "times()",
      "times(0)",
      "times('2')",
      "delay()",
      "delay('soon')",
      "failWith()",
      "failWith(99)",
      "resetInBody()",
      "resetInBody(5)",
      "resetInBody({ after: 4 })",
      "resetInBody({ afterBytes: -1 })"
    ]
    expect(calls.map(message)).toMatchInlineSnapshot(`
      [
        "Intercept.times: its count is a whole number from 1, not undefined.",
        "Intercept.times: its count is a whole number from 1, not 0.",
        "Intercept.times: its count is a whole number from 1, not "2".",
        "Intercept.delay: its duration is a duration, such as "20 millis" or a number of milliseconds, not undefined.",
        "Intercept.delay: its duration is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
        "Intercept.failWith: its status is a whole number from 200 to 999, not undefined.",
        "Intercept.failWith: its status is a whole number from 200 to 999, not 99.",
        "Intercept.resetInBody: it takes { afterBytes: 100 }.",
        "Intercept.resetInBody: its options are an object of afterBytes, not a number.",
        "Intercept.resetInBody: its options have no "after". They take afterBytes.",
        "Intercept.resetInBody: afterBytes is a number of bytes, a whole one from 0, not -1.",
      ]
    `)
  })
})
