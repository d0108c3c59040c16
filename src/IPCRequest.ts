/**
 * Requests, defined once and shared by both ends. A branded request is its name and nothing else at run time; a request
 * with Schemas is validated at both ends and carries its failure typed across the wire.
 *
 * @since 0.1.0
 */
import type { DurationInput } from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { InvalidRequestName } from "./IPCError.js"
import * as Conformance from "./internal/Conformance.js"
import { check, kindOf, type Names } from "./internal/OptionNames.js"

/**
 * Which end answers a request.
 *
 * @since 0.1.0
 * @category models
 */
export type Direction = "server" | "client"

declare const Shape: unique symbol

/**
 * The types of a request's parts. No value of this exists at run time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Shaped<D extends Direction, Payload, Success, Failure> {
  readonly [Shape]: {
    readonly answeredBy: D
    readonly payload: (payload: Payload) => Payload
    readonly success: (success: Success) => Success
    readonly failure: (failure: Failure) => Failure
  }
}

/**
 * A request that is only its name at run time; payload and response are checked at compile time alone.
 *
 * @since 0.1.0
 * @category models
 */
export type BrandedRequest<D extends Direction, Payload, Success> = string & Shaped<D, Payload, Success, never>

/**
 * A request whose payload, success and failure are decoded and encoded by Schemas at both ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaRequest<D extends Direction, Payload, Success, Failure>
  extends Shaped<D, Payload, Success, Failure> {
  readonly name: string
  readonly payload: Codec<Payload>
  readonly success: Codec<Success>
  readonly failure: Codec<Failure>
  /** @internal */
  readonly payloadLimit?: PayloadLimit
}

/**
 * What the end that answers a request refuses before it parses the payload.
 *
 * @internal
 */
export interface PayloadLimit {
  /** The longest frame, in bytes. */
  readonly bytes: number
  /** The most lists and objects in the payload. */
  readonly collections?: number
}

/**
 * One Schema, both ways between a value and its JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface Codec<A> {
  readonly decode: (json: unknown) => Effect.Effect<A, ParseResult.ParseIssue>
  readonly encode: (value: unknown) => Effect.Effect<unknown, ParseResult.ParseIssue>
}

/**
 * A request of either kind, as the calls take it.
 *
 * @since 0.1.0
 * @category models
 */
export type IPCRequest<D extends Direction, Payload, Success, Failure> =
  | BrandedRequest<D, Payload, Success>
  | SchemaRequest<D, Payload, Success, Failure>

/**
 * A request that the server answers.
 *
 * @since 0.1.0
 * @category models
 */
export type ServerRequest<Payload, Success, Failure> = Shaped<"server", Payload, Success, Failure>

/**
 * A request that a client answers.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientRequest<Payload, Success, Failure> = Shaped<"client", Payload, Success, Failure>

/**
 * The failures a handler of the request may end with: those of its failure Schema, or any where it has none (they cross
 * as their message).
 *
 * @since 0.1.0
 * @category models
 */
export type HandlerFailure<Failure> = [Failure] extends [never] ? unknown : Failure

/**
 * The arguments after the request: its payload, which may be left out where it is `void`, and options.
 *
 * @since 0.1.0
 * @category models
 */
export type Arguments<Payload, Options> = [Payload] extends [void]
  ? [payload?: undefined, options?: Options]
  : [payload: Payload, options?: Options]

/**
 * How one request is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /**
   * How long to wait for the response, the wait for a connection included: a `Duration`, or milliseconds. Default 10
   * seconds.
   */
  readonly timeout?: DurationInput
}

/**
 * Any Schema, `Schema.Never` among them. A request takes those that need no services, see {@link NoServices}.
 *
 * @since 0.1.0
 * @category models
 */
export type AnySchema = Schema.Schema.All

/**
 * What a payload, a success, an element or an input is described by: a Schema, or {@link Bytes}.
 *
 * @since 0.2.0
 * @category models
 */
export type WireSchema = AnySchema | Bytes

/**
 * What a program has of it.
 *
 * @since 0.2.0
 * @category models
 */
export type WireType<S extends WireSchema> = S extends AnySchema ? Schema.Schema.Type<S> : Uint8Array

declare const WholeBytes: unique symbol

/**
 * Raw bytes as a whole payload, success, element or input. It is no `Schema`, so that it can't be a part of one: a
 * binary frame holds nothing else.
 *
 * @since 0.2.0
 * @category models
 */
export interface Bytes {
  readonly [WholeBytes]: Uint8Array
}

/**
 * What requests and streams are defined with beside Schemas.
 *
 * @example
 * ```ts
 * import { IPCRequest, IPCServer } from "effect-ipc"
 * import { Schema } from "effect"
 *
 * export const Download = IPCServer.defineStream("files/download", { payload: Schema.String, element: IPCRequest.Bytes })
 * ```
 *
 * @since 0.2.0
 * @category schemas
 */
export const IPCRequest = {
  /**
   * Raw bytes, a `Uint8Array`: in a binary frame between two ends of version 0.2, in base64 otherwise.
   *
   * @since 0.2.0
   */
  Bytes: {} as Bytes
}

/**
 * What a request asks of its Schemas beside being one: nothing of a Schema that needs no services. Of any other what it
 * doesn't have, so that the compiler's message tells why it is refused, and which services it needs: both ends decode
 * and encode without a program's context.
 *
 * @since 0.2.0
 * @category models
 */
export type NoServices<S extends WireSchema> = S extends AnySchema
  ? [Schema.Schema.Context<S>] extends [never]
    ? unknown
    : ServicesNeeded<Schema.Schema.Context<S>>
  : unknown

/**
 * What no Schema has.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServicesNeeded<Services> {
  readonly "The Schemas of a request can't need services, and this one needs": Services
}

/**
 * Defines requests of one direction.
 *
 * @since 0.1.0
 * @category constructors
 */
export interface DefineRequest<D extends Direction> {
  /**
   * A request with Schemas: both ends validate, and a failure arrives at the caller as that same typed failure.
   * Throws {@link InvalidRequestName} where the name can't be on the wire.
   */
  <
    P extends WireSchema = typeof Schema.Void,
    S extends WireSchema = typeof Schema.Void,
    F extends AnySchema = typeof Schema.Never
  >(
    name: string,
    schemas: {
      readonly payload?: P & NoServices<P>
      readonly success?: S & NoServices<S>
      readonly failure?: F & NoServices<F>
    }
  ): SchemaRequest<D, WireType<P>, WireType<S>, Schema.Schema.Type<F>>
  /**
   * A branded request: checked at compile time, nothing to pay at run time.
   * Throws {@link InvalidRequestName} where the name can't be on the wire.
   */
  <Payload = void, Success = void>(name: string): BrandedRequest<D, Payload, Success>
}

/**
 * `IPCServer.defineRequest` and `IPCClient.defineRequest` are this, for their direction.
 *
 * @since 0.1.0
 * @category constructors
 */
export const define = <D extends Direction>(): DefineRequest<D> =>
  ((name: string, schemas?: Partial<Record<"payload" | "success" | "failure", WireSchema>>) => {
    checkDefinition("defineRequest", name)
    if (schemas === undefined) return name
    checkSchemas("defineRequest", schemas, { payload: true, success: true, failure: true })
    return {
      name,
      payload: codec(schemas.payload ?? Schema.Void),
      success: codec(schemas.success ?? Schema.Void),
      failure: codec(schemas.failure ?? Schema.Never)
    }
  }) as DefineRequest<D>

/**
 * Throws `InvalidRequestName` where the name can't be on the wire.
 *
 * @internal
 */
export const checkDefinition = (call: string, name: string): void => {
  if (typeof name !== "string") throw new TypeError(`${call}: its name is a string, not ${kindOf(name)}.`)
  if (!isValidRequestName(name)) throw new InvalidRequestName({ request: name })
}

/**
 * Throws a `TypeError` where one has an unknown name, or is no Schema.
 *
 * @internal
 */
export const checkSchemas = (call: string, schemas: object, names: Names): void => {
  check(call, schemas, names, "its Schemas")
  for (const [name, schema] of Object.entries(schemas)) {
    if (schema === undefined || schema === IPCRequest.Bytes || Schema.isSchema(schema)) continue
    throw new TypeError(`${call}: its ${name} is a Schema or IPCRequest.Bytes, not ${kindOf(schema)}.`)
  }
}

/**
 * The request with a limit of its own for what comes as its payload.
 *
 * @internal
 */
export const limited = <D extends Direction, P, S, F>(
  request: SchemaRequest<D, P, S, F>,
  payloadLimit: PayloadLimit
): SchemaRequest<D, P, S, F> => ({ ...request, payloadLimit })

/**
 * Whether a text can name a request: not empty, without `:`, control characters, and halves of surrogate pairs
 * (UTF-8 has none).
 *
 * @internal
 */
export const isValidRequestName = (name: string): boolean => name.length > 0 && !invalidInName.test(name)

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const invalidInName = /[:\u0000-\u001f\p{Surrogate}]/u

/**
 * A request as the engine sees it: its name alone, or with its codecs.
 *
 * @internal
 */
export type UntypedRequest = string | SchemaRequest<Direction, unknown, unknown, unknown>

/** @internal */
export const untyped = <D extends Direction, P, S, F>(request: Shaped<D, P, S, F>): UntypedRequest =>
  request as unknown as UntypedRequest

/** @internal */
export const nameOf = (request: UntypedRequest): string => (typeof request === "string" ? request : request.name)

/**
 * Bytes on their way to the wire: as they are in a binary frame, in base64 where JSON has to carry them.
 *
 * @internal
 */
export class RawBytes {
  readonly #isRawBytes = true

  constructor(readonly bytes: Uint8Array) {}

  /** Used instead of `instanceof`, which throws for a proxy that was revoked or whose trap throws. */
  static is(value: unknown): value is RawBytes {
    return typeof value === "object" && value !== null && #isRawBytes in value
  }

  toJSON(): string {
    return Encoding.encodeBase64(this.bytes)
  }
}

/** @internal */
export const codec = (schema: WireSchema): Codec<unknown> => {
  if (!isSchema(schema)) return bytesCodec
  // By the first value: a program defines many requests as it starts, most of which it never makes.
  let compiled: Codec<unknown> | undefined
  const once = (): Codec<unknown> => {
    compiled ??= compile(schema)
    return compiled
  }
  return { decode: (json) => once().decode(json), encode: (value) => once().encode(value) }
}

const compile = (schema: AnySchema): Codec<unknown> => {
  const decode = ParseResult.decodeUnknown(schema as Schema.Schema.AnyNoContext)
  const encode = ParseResult.encodeUnknown(schema as Schema.Schema.AnyNoContext)
  const conforms = Conformance.of(schema.ast)
  if (conforms === undefined) return { decode, encode }
  return {
    decode: (json) => (conforms(json) ? Exit.succeed(json) : decode(json)),
    encode: (value) => (conforms(value) ? Exit.succeed(value) : encode(value))
  }
}

const isSchema = (schema: WireSchema): schema is AnySchema => schema !== IPCRequest.Bytes

const bytesCodec: Codec<unknown> = {
  decode: (value) => {
    if (isBytes(value)) return Either.right(value)
    return typeof value === "string"
      ? Either.mapLeft(Encoding.decodeBase64(value), () => notBytes(value, "in base64"))
      : Either.left(notBytes(value, "in base64"))
  },
  encode: (value) =>
    isBytes(value) ? Either.right(new RawBytes(value)) : Either.left(notBytes(value, "as a Uint8Array"))
}

// Checks the internal slot first, since `instanceof` throws for a revoked proxy.
const isBytes = (value: unknown): value is Uint8Array => ArrayBuffer.isView(value) && value instanceof Uint8Array

const notBytes = (value: unknown, how: string): ParseResult.ParseIssue =>
  new ParseResult.Type(Schema.Uint8ArrayFromSelf.ast, value, `bytes ${how} were expected`)
