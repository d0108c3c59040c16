/**
 * Users and passwords in URLs (RFC 3986 section 3.2.1), which belong in no message, log or record.
 *
 * @internal
 */

/** Whether the URL names a user or a password. */
export const isIn = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { password, username } = new URL(url)
  return username !== "" || password !== ""
}

/** The URL without them. Of what is no URL, only what stands behind the last "@", where it has one. */
export const hidden = (url: string): string => {
  if (!url.includes("@")) return url
  if (!URL.canParse(url) || new URL(url).host === "") return url.slice(url.lastIndexOf("@") + 1)
  if (!isIn(url)) return url
  const shown = new URL(url)
  shown.username = ""
  shown.password = ""
  return url.endsWith("/") ? shown.href : shown.href.replace(/\/$/, "")
}
