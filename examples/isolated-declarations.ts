/** What a module exports has its type written out, as `isolatedDeclarations` asks. */
import { Effect, type Layer } from "effect"
import { type BrandedRequest, type HttpGateway, type IPCPeer, IPCServer, type ListenError } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"

// #region exports
export const Greet: BrandedRequest<"server", { readonly name: string }, string> = IPCServer.defineRequest("greet")

export const Server: Layer.Layer<IPCServer | IPCPeer | HttpGateway, ListenError> = NodeIPCServer.layer()
// #endregion

const main = Effect.map(IPCServer, ({ port }) => console.log(`${Greet} on ${port > 0 ? "a free port" : "none"}`))

await Effect.runPromise(main.pipe(Effect.provide(Server)))
