import * as Schema from "effect/Schema"
import { IPCClient, IPCServer } from "effect-ipc/promise"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {
  override get message() {
    return `there is no ${this.id}`
  }
}

export interface Greeting {
  readonly name: string
}

/** Answered by the server. */
export const Greet = IPCServer.defineRequest<Greeting, string>("greet")
export const WhoAmI = IPCServer.defineRequest<void, { readonly clientId: string; readonly runtimeId?: string }>(
  "whoami"
)
export const Hang = IPCServer.defineRequest<void, void>("hang")
export const Find = IPCServer.defineRequest("users/find", {
  payload: Schema.Struct({ id: Schema.Number, since: Schema.Date }),
  success: Schema.Struct({ name: Schema.String, born: Schema.Date }),
  failure: NotFound
})

/** Answered by a client. */
export const Double = IPCClient.defineRequest<number, number>("double")
export const Stall = IPCClient.defineRequest<void, void>("stall")
export const Lookup = IPCClient.defineRequest("lookup", {
  payload: Schema.Number,
  success: Schema.String,
  failure: NotFound
})
