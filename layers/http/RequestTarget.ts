/**
 * The target of a request, RFC 9112 section 3.2.
 *
 * @since 0.1.0
 */

/**
 * The origin form (`/path?query`) of a target that may be absolute (`http://host/path`); undefined for `*` and what else
 * has no path.
 *
 * @since 0.1.0
 * @category targets
 */
export const originForm = (target: string): string | undefined => {
  if (target.charCodeAt(0) === SLASH) return target
  const absolute = ABSOLUTE.exec(target)
  if (absolute === null) return undefined
  const rest = target.slice(absolute[0].length)
  return rest.charCodeAt(0) === SLASH ? rest : `/${rest}`
}

/**
 * The path of a target in origin form, without the query.
 *
 * @since 0.1.0
 * @category targets
 */
export const pathOf = (target: string): string => {
  const end = target.search(QUERY_OR_FRAGMENT)
  return end === -1 ? target : target.slice(0, end)
}

const SLASH = 47
const ABSOLUTE = /^https?:\/\/[^/?#]*/i
const QUERY_OR_FRAGMENT = /[?#]/
