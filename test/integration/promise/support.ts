/**
 * What the facade's tests share: servers and clients that end with their test, a connection that can be cut, and events
 * to await in place of sleeping.
 */
import * as net from "node:net"
import { IPCClient, type IPCClientOptions, IPCServer, type IPCServerOptions } from "effect-ipc/promise"
import { assert, onTestFinished } from "vitest"

export const serve = async (options?: IPCServerOptions): Promise<IPCServer> => {
  const server = new IPCServer(0, options)
  onTestFinished(() => server.teardown())
  assert.isTrue(await server.start())
  return server
}

export const clientOf = (address: number | string, options?: IPCClientOptions): IPCClient => {
  const client = new IPCClient(address, options)
  onTestFinished(() => client.disconnect())
  return client
}

export const connect = async (
  server: IPCServer,
  runtimeId?: string,
  options?: IPCClientOptions
): Promise<IPCClient> => {
  const client = clientOf(server.getPort(), options)
  await client.connect(runtimeId)
  return client
}

/** What the promise rejects with: a real `Error` with a tag. */
export const rejection = async (promise: Promise<unknown>): Promise<Error & { readonly _tag: string }> => {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason
  )
  assert.instanceOf(error, Error)
  assert.property(error, "_tag")
  return error as Error & { readonly _tag: string }
}

export const thrown = (call: () => unknown): Error & { readonly _tag: string } => {
  try {
    call()
  } catch (error) {
    assert.instanceOf(error, Error)
    return error as Error & { readonly _tag: string }
  }
  return assert.fail("nothing was thrown")
}

/** A promise and the function that settles it. */
export const event = <A = void>() => {
  let fire: (value: A) => void = () => {}
  const fired = new Promise<A>((resolve) => {
    fire = resolve
  })
  return { fire, fired }
}

/** Passes connections on to a port until it is cut. */
export const relayTo = async (port: number) => {
  const sockets = new Set<net.Socket>()
  const relay = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1")
    for (const [one, other] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(one)
      one.on("error", () => {})
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve))
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  onTestFinished(() => {
    relay.close()
    cut()
  })
  return { port: (relay.address() as net.AddressInfo).port, cut, close: () => relay.close() }
}

export const askJson = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init)
  return { status: response.status, json: (await response.json()) as unknown }
}

export const post = (url: string, body: string | Uint8Array<ArrayBuffer>, contentType: string) =>
  askJson(url, { method: "POST", body, headers: { "content-type": contentType } })
