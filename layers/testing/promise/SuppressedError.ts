/**
 * The error of a block whose test failed and whose `await using` of a strict interception then failed, too.
 *
 * @internal
 */
import { UnverifiedInterception } from "../../../src/InterceptionError.js"
import { messageOf } from "../../../src/internal/ErrorMessage.js"

type Constructor = new (error: unknown, suppressed: unknown, message?: string) => Error

/**
 * Gives such an error a message of what failed first, the test's own assertion, and then of what the strict
 * interception found: compilers make it of the global `SuppressedError`, whose message has neither. Where the language
 * itself runs `await using`, it makes an error of its own, which has both as properties.
 */
export const describeSuppressedErrors = (): void => {
  const realm = globalThis as { SuppressedError?: Constructor & { readonly [isDescribing]?: true } }
  const native = realm.SuppressedError ?? Standard
  if (native[isDescribing]) return
  const describing = new Proxy(native, {
    construct: (target, [error, suppressed, message], newTarget) => {
      const made = Reflect.construct(target, [error, suppressed, message], newTarget)
      if (error instanceof UnverifiedInterception) describe(made, error, suppressed)
      return made
    },
    get: (target, name, receiver) => name === isDescribing || Reflect.get(target, name, receiver)
  })
  Object.defineProperty(realm, "SuppressedError", { value: describing, configurable: true, writable: true })
}

const isDescribing = Symbol.for("effect-ipc/testing/SuppressedError")

/** For realms without one. */
class Standard extends Error {
  declare static readonly [isDescribing]?: true

  constructor(error: unknown, suppressed: unknown, message?: string) {
    super(message)
    Object.defineProperty(this, "name", { value: "SuppressedError", configurable: true, writable: true })
    Object.defineProperty(this, "error", { value: error, configurable: true, writable: true })
    Object.defineProperty(this, "suppressed", { value: suppressed, configurable: true, writable: true })
  }
}

/** Shows the assertion as it would be shown by itself, with its place and its diff. */
const describe = (made: Error, unverified: UnverifiedInterception, suppressed: unknown): void => {
  const message = `${messageOf(suppressed)}\n\n${unverified.message}`
  const set = (name: string, value: unknown) =>
    Object.defineProperty(made, name, { value, configurable: true, writable: true })
  set("message", message)
  if (!(suppressed instanceof Error)) return
  set("name", suppressed.name)
  const frames = suppressed.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? []
  set("stack", [`${suppressed.name}: ${message}`, ...frames].join("\n"))
  for (const name of ["actual", "expected", "operator", "showDiff", "diff"]) {
    if (name in suppressed) set(name, suppressed[name as keyof Error])
  }
}
