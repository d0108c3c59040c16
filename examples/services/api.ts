import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
import { Schema } from "effect"
import { IPCServer, ServiceClient } from "effect-ipc"

// #region requests
export class User extends Schema.Class<User>("User")({ id: Schema.Number, name: Schema.String }) {}

export class UnknownUser extends Schema.TaggedError<UnknownUser>()("UnknownUser", { id: Schema.Number }) {}

/** What `users` answers by its name. */
export const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: User,
  failure: UnknownUser
})

export const Logins = IPCServer.defineStream("users/logins", { payload: Schema.Void, element: Schema.String })

/** Who asks it. */
export class Users extends ServiceClient.Tag("users") {}
// #endregion

/** What it answers by HTTP, below the path that the gateway knows it by. */
export const UsersApi = HttpApi.make("UsersApi").add(
  HttpApiGroup.make("users").add(
    HttpApiEndpoint.get("get", "/:id")
      .setPath(Schema.Struct({ id: Schema.NumberFromString }))
      .addSuccess(User)
      .addError(UnknownUser, { status: 404 })
  )
)
