/** What is hidden in recorded files, wherever it may be. */
import { assert, describe, it } from "@effect/vitest"
import * as Redaction from "../../../layers/interception/Redaction.js"
import * as Har from "../../../src/internal/Har.js"

const SECRET = "s3cret"

interface Given {
  readonly url?: string
  readonly headers?: Har.HarHeaders
  readonly type?: string
  readonly body?: string | Uint8Array
  readonly failure?: string
}

/** What the file has of a request, and of a response with the same headers and body. */
const written = (
  { body = "", failure, headers = [], type, url = "/" }: Given,
  redaction?: Parameters<typeof Redaction.make>[0]
) => {
  const bytes = typeof body === "string" ? Buffer.from(body) : body
  const message = {
    headers: [...headers, ...(type === undefined ? [] : [["content-type", type] as const])],
    body: { bytes }
  }
  const exchange = {
    startedAt: 0,
    durationMillis: 1,
    request: { ...message, method: "POST", url },
    response: { ...message, status: 200 },
    failure
  }
  return Har.toEntry(Redaction.make(redaction).exchange(exchange))
}

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"

const multipart = (...parts: ReadonlyArray<string>) => ({
  type: 'multipart/form-data; boundary="x y"',
  body: `${parts.map((part) => `--x y\r\n${part}\r\n`).join("")}--x y--\r\n`
})

/** Each has a secret, and what is to stay in place of the word `kept`. */
const secrets: Readonly<Record<string, Given>> = {
  "in a query": { url: "/kept?page=kept&access_token=s3cret&newPassword=s3cret" },
  "in a query whose separator is a semicolon": { url: "/kept;jsessionid=s3cret?a=kept;token=s3cret" },
  "in a name that is escaped, or has brackets": { url: "/kept?user%5Bpassword%5D=s3cret&a[api_key]=s3cret" },
  "with a quote in it": { url: "/kept?password='s3cret'%22s3cret" },
  "in a fragment": { headers: [["Location", "https://kept.test/cb#access_token=s3cret&state=kept"]] },
  "in the query of a referer": { headers: [["referer", "https://kept.test/a?apiKey=s3cret"]] },
  "in the user info of a URL": {
    url: "https://ada:s3cret@kept.test/",
    headers: [
      ["location", "https://ada:s3cret@kept.test/"],
      ["link", '<https://s3cret@kept.test/>; rel="next"']
    ]
  },
  "in the URL of a parameter": {
    url: `/kept?next=${encodeURIComponent("https://ada:s3cret@kept.test/?token=s3cret#id_token=s3cret")}`
  },
  "in the JSON of a parameter": { url: `/kept?filter=${encodeURIComponent('{"kept":1,"password":"s3cret"}')}` },
  "in the URL of any header": { headers: [["x-original-url", "/kept?session_token=s3cret"]] },
  "in headers by their names": {
    headers: [
      ["x-api-key-id", SECRET],
      ["X-Goog-Api-Key", SECRET],
      ["ocp-apim-subscription-key", SECRET],
      ["x-vault-token", SECRET],
      ["x-forwarded-authorization", SECRET],
      ["cookie2", SECRET],
      ["set-cookie", `a=${SECRET}`],
      ["set-cookie", `b=${SECRET}; path=/`],
      ["cookie", `a=${SECRET}`],
      ["x-plain", "kept"]
    ]
  },
  "in a header's value by what it is": {
    headers: [
      ["x-auth-info", `kept Bearer ${SECRET}`],
      ["sec-websocket-protocol", `kept, bearer, ${SECRET}`],
      ["x-upstream", `Basic ${Buffer.from(`ada:${SECRET}`).toString("base64")}`]
    ]
  },
  "in JSON at any depth": {
    type: "application/json",
    body: JSON.stringify({
      kept: "kept",
      newPassword: SECRET,
      access_token_2: SECRET,
      list: [{ "x-api-key-id": SECRET, pin: { secretAnswer: { a: SECRET } } }],
      tokens: [SECRET],
      next: `https://kept.test/?token=${SECRET}`,
      text: JSON.stringify({ password: SECRET }),
      headers: [{ name: "authorization", value: SECRET }]
    })
  },
  "in JSON under another content type, or none": { body: '{"kept":{"secret":{"a":"s3cret"}}}' },
  "in JSON that is cut": { type: "application/json", body: '{"kept":"kept","a":[{"refreshToken":"s3cret' },
  "in lines of JSON": { type: "application/x-ndjson", body: '{"kept":1,"token":"s3cret"}\n{"client_secret":"s3cret"}' },
  "in JSON of UTF-16": {
    type: "application/json; charset=utf-16le",
    body: Buffer.from('{"password":"s3cret"}', "utf16le")
  },
  "in a form": {
    type: "application/x-www-form-urlencoded",
    body: 'password=s3cret"s3cret&kept=kept&old_password=s3cret'
  },
  "in a form without a content type": { body: "password=s3cret&kept=kept" },
  "in fields of a multipart body": multipart(
    'Content-Disposition: form-data; name="password"\r\n\r\ns3cret\r\ns3cret',
    "Content-Disposition: form-data; name=apiToken\r\n\r\ns3cret",
    'Content-Type: application/json\r\nContent-Disposition: form-data; name="data"\r\n\r\n{"kept":"kept","password":"s3cret"}',
    'Content-Disposition: form-data; name="kept"\r\n\r\nkept'
  ),
  "in XML": {
    type: "application/xml",
    body: '<a:login kept="kept" apiKey="s3cret"><ns:Password x="1"><![CDATA[s3cret]]></ns:Password><secret><a>s3cret</a></secret></a:login>'
  },
  "in a page": {
    type: "text/html",
    body: `<a href="/kept?page=1&amp;token=s3cret">kept</a><input type="hidden" name="csrf_token" value="s3cret"><meta content='s3cret' name='api-key'>`
  },
  "in lines of text": {
    type: "text/plain",
    body: "kept: kept\nDB_PASSWORD=s3cret\nexport API_KEY='s3cret'\n  token: s3cret"
  },
  "in arguments of GraphQL": {
    type: "application/json",
    body: JSON.stringify({ query: 'mutation { kept(password: "s3cret") { id } }' })
  },
  "in why it failed": { url: "/kept", failure: 'the handler failed: expected { "password": "s3cret" } to equal kept' }
}

describe("a recorded file has no secret", () => {
  for (const [place, given] of Object.entries(secrets)) {
    it(place, () => {
      const entry = JSON.stringify(written(given)).replaceAll("\\u0000", "")
      assert.notInclude(entry, SECRET)
      assert.notInclude(entry, Buffer.from(`ada:${SECRET}`).toString("base64"))
      const count = (text: string) => text.split("kept").length - 1
      assert.isAtLeast(count(entry), count(JSON.stringify(given)))
      assert.include(entry, "hidden")
    })
  }

  it("that looks like a JSON Web Token, wherever that is", () => {
    const entry = JSON.stringify(
      written({ url: `/kept/${JWT}?a=${JWT}`, headers: [["x-a", JWT]], type: "text/plain", body: `kept ${JWT}` })
    )
    assert.notInclude(entry, JWT.slice(0, 20))
  })

  it("in a body whose content encoding isn't known, which is left out", () => {
    const { request } = written({ headers: [["content-encoding", "x-own"]], body: "token=s3cret" })
    assert.deepStrictEqual([request.bodySize, "postData" in request], [12, false])
  })

  it("that it was told of by name", () => {
    const entry = written(
      {
        url: "/?pin=s3cret",
        headers: [["X-Tenant", SECRET]],
        type: "application/json",
        body: '{"PIN":"s3cret","pins":"kept"}'
      },
      { fields: ["pin"], headers: ["x-tenant"] }
    )
    assert.notInclude(JSON.stringify(entry), SECRET)
    assert.include(JSON.stringify(entry), "kept")
  })

  it("and has what isn't one as it was", () => {
    const given = {
      url: "/a?max_tokens=10&author=ada&key=7&q=a%20b",
      headers: [
        ["idempotency-key", "7"],
        ["www-authenticate", 'Bearer realm="users", error="invalid"'],
        ["etag", '"abc"']
      ],
      type: "application/json",
      body: '{ "total_tokens": 12, "hasPassword": true, "token": null, "author": "Ada", "monkey": "a: b", "basic usage": "Basic functionality" }'
    } as const
    const { request } = written(given)
    assert.deepStrictEqual(
      [request.url, request.headers.slice(0, 3).map(({ value }) => value), request.postData?.text],
      [given.url, given.headers.map(([, value]) => value), given.body]
    )
    const image = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0x00])
    assert.strictEqual(written({ type: "image/png", body: image }).request.postData?.text, image.toString("base64"))
  })

  it("and is written in time, whatever a service sends", () => {
    const length = 200_000
    for (const piece of [
      "a",
      "eyJ-",
      "<a1 ",
      "<token>",
      '"',
      "a=",
      " ",
      "a://",
      "?a=%25",
      '<i name="',
      "[",
      '{"a":',
      "&amp;"
    ]) {
      const body = piece.repeat(length / piece.length)
      const began = performance.now()
      written({ body, url: `/?a=${body}`, type: "text/plain" })
      // A second would be a thousand times what it takes where it takes time in proportion.
      assert.isBelow(performance.now() - began, 10_000, piece)
    }
  })
})
