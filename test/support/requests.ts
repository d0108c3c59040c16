/**
 * The requests that several tests share.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"

export const Add = IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("math/add")
export const Whoami = IPCServer.defineRequest<void, { readonly clientId: string; readonly runtimeId?: string }>(
  "whoami"
)
export const Mirror = IPCServer.defineRequest<string, string>("mirror")
export const Hang = IPCServer.defineRequest<void, void>("hang")
/** Answers with so many characters. */
export const Blob = IPCServer.defineRequest<number, string>("blob")
export const RepeatBack = IPCServer.defineRequest<string, string>("repeatBack")
export const Echo = IPCClient.defineRequest<string, string>("echo")
export const HangThere = IPCClient.defineRequest<void, void>("hangThere")

export class NoSuchUser extends Schema.TaggedError<NoSuchUser>("test/NoSuchUser")("NoSuchUser", {
  id: Schema.Number
}) {}

export const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.NumberFromString }),
  success: Schema.Struct({ name: Schema.String, since: Schema.Date }),
  failure: NoSuchUser
})

export const add = ({ a, b }: { readonly a: number; readonly b: number }) => Effect.succeed(a + b)
