/**
 * Headers whose value is a list of tokens.
 *
 * @internal
 */

/**
 * The members in lower case and without their parameters, empty ones left out (RFC 9110 section 5.6.1).
 *
 * @internal
 */
export const tokensOf = (value: string | undefined): ReadonlyArray<string> => {
  if (value === undefined) return []
  const tokens: Array<string> = []
  for (const member of value.split(",")) {
    const token = (member.split(";")[0] as string).trim().toLowerCase()
    if (token !== "") tokens.push(token)
  }
  return tokens
}
