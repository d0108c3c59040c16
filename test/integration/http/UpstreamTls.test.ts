import * as https from "node:https"
import type * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Certificates from "../../support/Certificates.js"
import { ask, askJson, serve, serveGateway } from "./support.js"

const service = (certificate: { readonly cert: string; readonly key: string }) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly port: number; connections: number; readonly server: https.Server }>(
      (resume) => {
        const server = https.createServer(certificate, (request, response) =>
          response.end(`${request.headers.host} at ${request.url}`)
        )
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as net.AddressInfo
          const made = { url: `https://127.0.0.1:${port}`, port, connections: 0, server }
          server.on("secureConnection", () => made.connections++)
          resume(Effect.succeed(made))
        })
      }
    ),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

const gatewayTo = (url: string) =>
  Effect.gen(function* () {
    const gateway = yield* serveGateway({ tls: { ca: Certificates.authority } })
    yield* gateway.gateway.proxy(() => url)
    return gateway
  })

describe("an https upstream", () => {
  it.scopedLive("is verified by its own address, whatever host the client asks for, on one connection", () =>
    Effect.gen(function* () {
      const upstream = yield* service(Certificates.forAddress)
      const { url } = yield* gatewayTo(upstream.url)
      for (const host of ["myapp.test", "other.test", "127.0.0.1:1", "myapp.test"]) {
        assert.strictEqual((yield* ask(`${url}/x`, { headers: { host } })).text, `${host} at /x`)
      }
      assert.strictEqual(upstream.connections, 1)
    })
  )

  it.scopedLive("whose certificate is for another name, or of an unknown authority, is said to have such a one", () =>
    Effect.gen(function* () {
      const other = yield* service(Certificates.forName)
      const wrong = yield* gatewayTo(other.url)
      const { json, status } = yield* askJson(wrong.url, { headers: { host: "service.test" } })
      assert.strictEqual(status, 502)
      assert.include(
        (json as { readonly error: string }).error,
        `The certificate of ${other.url} isn't accepted (ERR_TLS_CERT_ALTNAME_INVALID:`
      )
      const upstream = yield* service(Certificates.forAddress)
      const distrusting = yield* serveGateway()
      yield* distrusting.gateway.proxy(() => upstream.url)
      const error = ((yield* askJson(distrusting.url)).json as { readonly error: string }).error
      assert.include(error, `The certificate of ${upstream.url} isn't accepted (UNABLE_TO_`)
      assert.notInclude(error, "crash")
    })
  )

  it.scopedLive("that speaks no TLS is said to speak none", () =>
    Effect.gen(function* () {
      const plain = yield* serve({ onRequest: (_, response) => response.end() })
      const { url } = yield* gatewayTo(plain.url.replace("http:", "https:"))
      const { json, status } = yield* askJson(url)
      assert.strictEqual(status, 502)
      assert.match(
        (json as { readonly error: string }).error,
        /doesn't speak TLS as the gateway does .*is it an http URL\?/
      )
    })
  )
})
