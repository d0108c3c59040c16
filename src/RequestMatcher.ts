/**
 * Which requests an interceptor takes.
 *
 * @since 0.2.0
 */
import type * as Schema from "effect/Schema"
import type { HttpMethod } from "./HttpGateway.js"

/**
 * Which requests an interceptor takes: those that match every given part.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestMatcher {
  /** Default any. A GET takes HEAD as well. */
  readonly method?: HttpMethod | undefined
  /**
   * find-my-way syntax (`/users/:id`, `/files/*`), or an expression that the path matches, whose named groups are the
   * params. Default any.
   */
  readonly path?: string | RegExp | undefined
  /** Parameters, by name. Others may be there, too, unless it is `Intercept.exact`. */
  readonly query?: ValueMatchers | undefined
  /** As `query`; names in any case. */
  readonly headers?: ValueMatchers | undefined
  /** What the body has to be. The request is held until its body has arrived. */
  readonly body?: BodyMatcher | undefined
  /**
   * The api that is meant. Until the interceptor is removed `discover` finds the api, registered or not. Without a path,
   * the requests that would be routed to the api match, or those below `/<api>` where it isn't registered.
   */
  readonly api?: string | undefined
}

/**
 * What a header or a parameter has to be: this text, text that the expression or the predicate takes, all of these values
 * in this order, or not there at all (`Intercept.absent`).
 *
 * @since 0.2.0
 * @category models
 */
export type ValueMatcher =
  | string
  | RegExp
  | ((value: string) => boolean)
  | ReadonlyArray<string>
  | AsymmetricMatcher
  | Absent

/**
 * What headers, parameters or query values have to be, by name; others may be there unless it is `Intercept.exact`.
 *
 * @since 0.2.0
 * @category models
 */
export type ValueMatchers = Readonly<Record<string, ValueMatcher>> | Exact<Readonly<Record<string, ValueMatcher>>>

/**
 * What a body has to be:
 *
 * - a predicate takes the parsed body, an expression its text, a Schema what it decodes;
 * - of an object, an array or a plain value the body has to be the like: it has every field, deeply, and may have more
 *   unless it is `Intercept.exact`. Fields may be predicates, expressions and asymmetric matchers themselves.
 *
 * Forms and multipart bodies are objects of their fields; a field given more than once is an array, a file
 * {@link MultipartFile}. Any text, such as XML, is a string.
 *
 * @since 0.1.0
 * @category models
 */
export type BodyMatcher = FieldMatcher | Schema.Schema.AnyNoContext | object

/**
 * What a field of a body has to be.
 *
 * @since 0.2.0
 * @category models
 */
export type FieldMatcher =
  | ((value: unknown) => boolean)
  | RegExp
  | AsymmetricMatcher
  | Absent
  | Exact<unknown>
  | string
  | number
  | boolean
  | null
  | undefined
  | ReadonlyArray<unknown>
  | { readonly [name: string]: FieldMatcher }

/**
 * What `expect.any(Number)` and its like are.
 *
 * @since 0.2.0
 * @category models
 */
export interface AsymmetricMatcher {
  readonly asymmetricMatch: (other: unknown) => boolean
}

/**
 * A header, a parameter or a field that mustn't be there: `Intercept.absent`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Absent {
  readonly _tag: "effect-ipc/Absent"
}

/**
 * A value that may have no more than is given: `Intercept.exact`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Exact<out A> {
  readonly _tag: "effect-ipc/Exact"
  readonly value: A
}

/**
 * A file of a multipart body, as matchers see it.
 *
 * @since 0.2.0
 * @category models
 */
export interface MultipartFile {
  readonly filename: string
  readonly contentType: string
  /** Its text; `undefined` where it isn't UTF-8. */
  readonly text: string | undefined
  readonly bytes: Uint8Array
}

/**
 * Refuses names that aren't the type's, where a type parameter would take them.
 *
 * @since 0.2.0
 * @category types
 */
export type NoMore<Given, Known> = {
  readonly [Name in Exclude<keyof Given, keyof Known>]: NoSuchPart<Name>
}

/**
 * What the compiler says of a part that no request matcher has.
 *
 * @since 0.2.0
 * @category types
 */
export interface NoSuchPart<Name> {
  readonly "A request matcher has method, path, query, headers, body and api, and no": Name
}

/**
 * What a handler knows of the body of a request that the matcher took: the type of its Schema or type guard, or the shape
 * of its value.
 *
 * @since 0.2.0
 * @category types
 */
export type BodyOf<Matcher> = Matcher extends { readonly body: infer Body } ? MatchedBody<Body> : unknown

/**
 * What is known of a body that matched this.
 *
 * @since 0.2.0
 * @category types
 */
export type MatchedBody<Body> = [Body] extends [undefined]
  ? unknown
  : Body extends Schema.Schema<infer A, infer _I, infer _R>
    ? A
    : Body extends (body: unknown) => body is infer A
      ? A
      : Body extends (...args: never) => unknown
        ? unknown
        : Body extends Exact<infer A>
          ? MatchedBody<A>
          : Body extends RegExp
            ? unknown
            : Body extends AsymmetricMatcher
              ? unknown
              : Body extends string | number | boolean | null
                ? WidenedLiteral<Body>
                : Body extends ReadonlyArray<infer Item>
                  ? ReadonlyArray<MatchedField<Item>>
                  : Body extends object
                    ? {
                        readonly [Name in keyof Body as Body[Name] extends Absent ? never : Name]: MatchedField<
                          Body[Name]
                        >
                      }
                    : unknown

/**
 * What is known of a field that matched this: text, where a RegExp did.
 *
 * @since 0.2.0
 * @category types
 */
export type MatchedField<Field> = Field extends RegExp ? string : MatchedBody<Field>

/**
 * The type of the literal.
 *
 * @since 0.2.0
 * @category types
 */
export type WidenedLiteral<Value> = Value extends string
  ? string
  : Value extends number
    ? number
    : Value extends boolean
      ? boolean
      : null
