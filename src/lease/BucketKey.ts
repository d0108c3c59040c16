/**
 * Names as keys of the bucket: one token of letters, digits, `-`, `_` and `=`, whatever the name has.
 *
 * @internal
 */

/** What isn't a letter, a digit, `-` or `_` becomes `=` and the hexadecimal digits of its UTF-16 code unit. */
export const toToken = (name: string): string =>
  name === ""
    ? "="
    : name.replaceAll(/[^A-Za-z0-9_-]/g, (unit) => `=${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The name; undefined where no name is escaped so. */
export const fromToken = (token: string): string | undefined => {
  if (token === "=") return ""
  if (!/^([A-Za-z0-9_-]|=[0-9a-f]{4})+$/.test(token)) return undefined
  const name = token.replaceAll(/=([0-9a-f]{4})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16))
  )
  return toToken(name) === token ? name : undefined
}
