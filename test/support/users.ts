/**
 * A service of users, for tests of requests by name.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { IPCClient } from "../../src/IPCClient.js"
import type { IPCPeer } from "../../src/IPCPeer.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as ServiceClient from "../../src/ServiceClient.js"

export const Whose = IPCServer.defineRequest<void, string>("users/whose")
export const Hang = IPCServer.defineRequest<void, string>("users/hang")
/** Takes a moment, so that some are in flight at any time. */
export const Work = IPCServer.defineRequest<void, string>("users/work")
export const AskBack = IPCServer.defineRequest<string, string>("users/askBack")
export const Endless = IPCServer.defineStream<void, string>("users/endless")
export const Shout = IPCClient.defineRequest<string, string>("shout")

export class Users extends ServiceClient.Tag("users") {}

/** Answers as the instance of this name. */
export const answerAs = (name: string) => (server: IPCPeer) =>
  Effect.all([
    server.handle(Whose, () => Effect.succeed(name)),
    server.handle(Hang, () => Effect.never),
    server.handle(Work, () => Effect.delay(Effect.succeed(name), 5)),
    server.handle(AskBack, (word, { runtimeId = "" }) => Effect.orDie(server.request(runtimeId, Shout, word))),
    server.handleStream(Endless, () => Stream.concat(Stream.make(name), Stream.never))
  ])
