/**
 * The api that is mocked in tests.
 */
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema, Multipart } from "@effect/platform"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export class NoSuchUser extends Schema.TaggedError<NoSuchUser>()("NoSuchUser", { id: Schema.Number }) {}
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  {},
  HttpApiSchema.annotations({ status: 403 })
) {}
export class Session extends Context.Tag("Session")<Session, { readonly user: string }>() {}
export class Authenticated extends HttpApiMiddleware.Tag<Authenticated>()("Authenticated", {
  failure: Forbidden,
  provides: Session
}) {}

export const User = Schema.Struct({ id: Schema.Number, name: Schema.String, since: Schema.Date })

export const Users = HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("find", "/users/:id")
      .setPath(Schema.Struct({ id: Schema.NumberFromString }))
      .setUrlParams(Schema.Struct({ page: Schema.optional(Schema.NumberFromString), tag: Schema.Array(Schema.String) }))
      .setHeaders(Schema.Struct({ "x-tenant": Schema.String }))
      .addSuccess(User)
      .addError(NoSuchUser, { status: 404 })
  )
  .add(
    HttpApiEndpoint.post("create", "/users")
      .setPayload(Schema.Struct({ name: Schema.NonEmptyString, since: Schema.Date }))
      .addSuccess(User, { status: 201 })
  )
  .add(HttpApiEndpoint.del("remove", "/users/:id").setPath(Schema.Struct({ id: Schema.NumberFromString })))
  .middleware(Authenticated)

export const Health = HttpApiGroup.make("health").add(HttpApiEndpoint.get("check", "/health").addSuccess(Schema.String))

export class Api extends HttpApi.make("api").add(Users).add(Health) {}

const Pictures = HttpApiGroup.make("pictures").add(
  HttpApiEndpoint.post("upload", "/pictures")
    .setPayload(
      HttpApiSchema.Multipart(Schema.Struct({ title: Schema.String, files: Multipart.FilesSchema }), {
        maxFileSize: Option.some(1000),
        maxFieldSize: 1000
      })
    )
    .addSuccess(Schema.Struct({ title: Schema.String, files: Schema.Array(Schema.String) }))
)

/** An api of files. */
export class PicturesApi extends HttpApi.make("pictures").add(Pictures) {}
