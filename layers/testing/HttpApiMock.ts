/**
 * Mocks typed by a platform `HttpApi`: a handler gets the endpoint's decoded request, and succeeds with its success or
 * fails with one of its errors, which are encoded by its schemas.
 *
 * @since 0.1.0
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerRespondable from "@effect/platform/HttpServerRespondable"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { HttpRouteHandler, HttpRouteRequest } from "../../src/HttpGateway.js"
import type { InterceptError, Interceptor, MockOptions } from "../../src/HttpInterception.js"
import { HttpInterception } from "../../src/HttpInterception.js"
import { InvalidInterceptor } from "../../src/InterceptionError.js"
import { kindOf } from "../../src/internal/OptionNames.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import { show } from "../interception/Difference.js"
import { FailedAnswer } from "../interception/Mock.js"
import * as Validation from "../interception/Validation.js"

/**
 * The options of a mock, and what must match in addition to the endpoint's method and path.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpApiMockOptions extends MockOptions, Pick<RequestMatcher, "api" | "query" | "headers"> {}

/**
 * The interceptors of a whole api, by group and endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpApiMocks<Groups extends HttpApiGroup.HttpApiGroup.Any> = {
  readonly [Group in HttpApiGroup.HttpApiGroup.Name<Groups>]: {
    readonly [Name in HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>["name"]]: Interceptor
  }
}

/**
 * Mocks one endpoint. Its middleware isn't run; the handler may fail with the middleware's errors. The files of a
 * multipart payload are on disk while the handler runs.
 *
 * @example
 * ```ts
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
 * import { Effect, Schema } from "effect"
 * import { HttpApiMock } from "effect-ipc/testing"
 *
 * const User = Schema.Struct({ id: Schema.Number, name: Schema.String })
 * const Users = HttpApiGroup.make("users").add(
 *   HttpApiEndpoint.get("find", "/users/:id").setPath(Schema.Struct({ id: Schema.NumberFromString })).addSuccess(User)
 * )
 * const Api = HttpApi.make("api").add(Users)
 *
 * // A name that isn't a string, or an id that isn't a number, doesn't compile.
 * export const mockUser = HttpApiMock.endpoint(Api, "users", "find", ({ path }) =>
 *   Effect.succeed({ id: path.id, name: "Ada" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category mocks
 */
export const endpoint = <
  Id extends string,
  Groups extends HttpApiGroup.HttpApiGroup.Any,
  ApiError,
  ApiR,
  const Group extends HttpApiGroup.HttpApiGroup.Name<Groups>,
  const Name extends HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>["name"],
  R = never
>(
  api: HttpApi.HttpApi<Id, Groups, ApiError, ApiR>,
  group: Group,
  name: Name,
  handler: HttpApiEndpoint.HttpApiEndpoint.HandlerWithName<
    HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>,
    Name,
    NoInfer<ApiError> | HttpApiGroup.HttpApiGroup.ErrorWithName<Groups, Group>,
    R
  >,
  options: HttpApiMockOptions = {}
): Effect.Effect<
  Interceptor,
  InterceptError,
  | HttpInterception
  | Scope.Scope
  | Exclude<R, Scope.Scope>
  | HttpApiMiddleware.HttpApiMiddleware.Without<
      HttpApiEndpoint.HttpApiEndpoint.ContextWithName<HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>, Name>
    >
> => {
  const issue = apiIssue(api) ?? nameIssue(api as unknown as AnyApi, group, name) ?? handlerIssue(handler)
  if (issue !== undefined) return new InvalidInterceptor({ issue })
  const only = onlyEndpoint(api as unknown as AnyApi, group, name)
  const handlers = HttpApiBuilder.group(only, group, (all) =>
    (all as unknown as AnyHandlers).handle(name, handler as unknown as AnyHandler)
  )
  return Effect.flatMap(answerOf(only, handlers as unknown as Layer.Layer<never>), (answer) =>
    mockEndpoint(endpointOf(only, group, name), `${group}.${name}`, answer, options)
  )
}

/**
 * Mocks every endpoint with the handlers that `HttpApiBuilder.group` makes, and runs their middleware. `verify` accepts
 * endpoints that weren't called, unless `{ optional: false }` is given.
 *
 * @since 0.1.0
 * @category mocks
 */
export const all = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, ApiError, ApiR, E, R>(
  api: HttpApi.HttpApi<Id, Groups, ApiError, ApiR>,
  handlers: Layer.Layer<HttpApiGroup.HttpApiGroup.ToService<Id, Groups>, E, R>,
  options: HttpApiMockOptions = {}
): Effect.Effect<
  HttpApiMocks<Groups>,
  InterceptError | E,
  | HttpInterception
  | Scope.Scope
  | R
  | Exclude<ApiR | HttpApiGroup.HttpApiGroup.ErrorContext<Groups>, HttpApiGroup.HttpApiGroup.ToService<Id, Groups>>
> =>
  Effect.gen(function* () {
    yield* Validation.refuse(apiIssue(api) ?? handlersIssue(handlers))
    const untyped = api as unknown as AnyApi
    const answer = yield* answerOf(untyped, handlers as unknown as Layer.Layer<never, E, R>)
    const mocks: Record<string, Record<string, Interceptor>> = {}
    for (const [groupName, group] of Object.entries(untyped.groups)) {
      const ofGroup: Record<string, Interceptor> = {}
      for (const [name, declared] of Object.entries(group.endpoints)) {
        ofGroup[name] = yield* mockEndpoint(declared, `${groupName}.${name}`, answer, {
          optional: true,
          ...options,
          name: options.name === undefined ? undefined : `${options.name} ${groupName}.${name}`
        })
      }
      mocks[groupName] = ofGroup
    }
    return mocks as HttpApiMocks<Groups>
  })

type AnyApi = HttpApi.HttpApi<string, HttpApiGroup.HttpApiGroup.AnyWithProps, never, never>
type AnyEndpoint = HttpApiEndpoint.HttpApiEndpoint.AnyWithProps
type AnyHandler = (request: unknown) => Effect.Effect<unknown, unknown>
interface AnyHandlers {
  readonly handle: (name: string, handler: AnyHandler) => never
}

const mockEndpoint = (
  declared: AnyEndpoint,
  called: string,
  answer: HttpRouteHandler<unknown>,
  { api, headers, query, ...options }: HttpApiMockOptions
) =>
  Effect.flatMap(HttpInterception, (http) =>
    http.mock({ method: declared.method, path: declared.path, api, headers, query }, answer, {
      ...options,
      name: options.name ?? `${called} (${declared.method} ${declared.path})`
    })
  )

/** Answers a request as the platform would serve the api. */
const answerOf = <E, R>(
  api: AnyApi,
  handlers: Layer.Layer<never, E, R>
): Effect.Effect<HttpRouteHandler<unknown>, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.mergeAll(
        Layer.provide(HttpApiBuilder.api(api), handlers),
        HttpApiBuilder.Router.Live,
        HttpApiBuilder.Middleware.layer,
        NodeHttpServer.layerContext
      )
    )
    const app = yield* Effect.provide(HttpApiBuilder.httpApp, context)
    return (request: HttpRouteRequest) =>
      app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(webRequest(request))),
        Effect.provide(context),
        Effect.scoped,
        Effect.catchAllCause((cause) =>
          // A defect, or a failure that the api doesn't declare, is a mistake in the test: its message is shown.
          Cause.isInterruptedOnly(cause) || !HttpServerRespondable.isRespondable(Cause.squash(cause))
            ? Effect.failCause(cause)
            : Effect.map(HttpServerError.causeResponse(cause), ([response]) => response)
        ),
        Effect.map((response) => {
          const refusal = refusalOf(response)
          return refusal === undefined ? response : new FailedAnswer(response, refusal)
        })
      )
  })

/** Why the schemas of the api refuse a request, or a handler's success. */
const refusalOf = ({ body, status }: HttpServerResponse): string | undefined => {
  if (status !== 400 || body._tag !== "Uint8Array") return undefined
  try {
    const { _tag, message } = JSON.parse(new TextDecoder().decode(body.body))
    return _tag === "HttpApiDecodeError" ? `the schema refuses the request, or the answer to it: ${message}` : undefined
  } catch {
    return undefined
  }
}

const webRequest = ({ bytes, headers, method, path, query }: HttpRouteRequest): Request => {
  const parameters = new URLSearchParams()
  for (const [name, given] of Object.entries(query)) {
    for (const value of typeof given === "string" ? [given] : given) parameters.append(name, value)
  }
  const search = parameters.size === 0 ? "" : `?${parameters}`
  const hasBody = method !== "GET" && method !== "HEAD" && bytes.length > 0
  return new Request(`http://${headers.host ?? "localhost"}${path}${search}`, {
    method,
    headers: { ...headers },
    ...(hasBody ? { body: new Uint8Array(bytes) } : {})
  })
}

const apiIssue = (api: unknown): string | undefined =>
  HttpApi.isHttpApi(api) ? undefined : `its api is a platform HttpApi, such as HttpApi.make("api"), not ${kindOf(api)}`

const handlerIssue = (handler: unknown): string | undefined =>
  typeof handler === "function" ? undefined : `its handler is a function, not ${kindOf(handler)}`

const handlersIssue = (handlers: unknown): string | undefined =>
  Layer.isLayer(handlers)
    ? undefined
    : `its handlers are a Layer, such as HttpApiBuilder.group(…) gives, not ${kindOf(handlers)}`

const nameIssue = (api: AnyApi, group: string, name: string): string | undefined => {
  const groups: Readonly<Record<string, HttpApiGroup.HttpApiGroup.AnyWithProps>> = api.groups
  if (!Object.hasOwn(groups, group)) return `the api has no group ${show(group)}; it has ${listed(groups)}`
  const { endpoints } = groups[group] as HttpApiGroup.HttpApiGroup.AnyWithProps
  if (Object.hasOwn(endpoints, name)) return undefined
  return `the group ${show(group)} has no endpoint ${show(name)}; it has ${listed(endpoints)}`
}

const listed = (names: object): string => Object.keys(names).join(", ")

const endpointOf = (api: AnyApi, group: string, name: string): AnyEndpoint =>
  (api.groups as Readonly<Record<string, HttpApiGroup.HttpApiGroup.AnyWithProps>>)[group]?.endpoints[
    name
  ] as AnyEndpoint

/** The api with only this endpoint, without middleware. */
const onlyEndpoint = (api: AnyApi, group: string, name: string): AnyApi => {
  const declared = (api.groups as Readonly<Record<string, HttpApiGroup.HttpApiGroup.AnyWithProps>>)[group]
  const bare = { middlewares: new Set() }
  return derived(api, {
    ...bare,
    groups: {
      [group]: derived(declared as HttpApiGroup.HttpApiGroup.AnyWithProps, {
        ...bare,
        endpoints: { [name]: derived(endpointOf(api, group, name), bare) }
      })
    }
  })
}

const derived = <A extends object>(base: A, fields: Readonly<Record<string, unknown>>): A =>
  Object.create(
    base,
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value, enumerable: true }]))
  ) as A
