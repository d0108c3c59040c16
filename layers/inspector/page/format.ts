/**
 * Times, sizes and exchanges as text.
 *
 * @internal
 */
import type { ExchangeView } from "../Views.js"

export const time = (millis: number): string => {
  const date = new Date(millis)
  const two = (part: number) => String(part).padStart(2, "0")
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`
}

export const duration = (millis: number | undefined): string => {
  if (millis === undefined) return "–"
  if (millis < 10) return `${millis.toFixed(1)} ms`
  if (millis < 1000) return `${Math.round(millis)} ms`
  return millis < 60_000 ? `${(millis / 1000).toFixed(1)} s` : `${Math.round(millis / 60_000)} min`
}

export const size = (bytes: number): string => {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** `2` to `5` by the status, `failed` without one, `open` while it is under way. */
export const outcome = (exchange: {
  readonly status?: number | undefined
  readonly failure?: string | undefined
  readonly durationMillis?: number | undefined
}): string => {
  if (exchange.durationMillis === undefined) return "open"
  if (exchange.failure !== undefined || exchange.status === undefined) return "failed"
  return String(Math.floor(exchange.status / 100))
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** The command that sends the request to the gateway. What was hidden is hidden here. */
export const curl = ({ method, requestBody, requestHeaders, url }: ExchangeView): string => {
  const parts = [`curl ${quoted(url)}`]
  if (method !== "GET") parts.push(`-X ${quoted(method)}`)
  for (const [name, value] of requestHeaders) {
    if (!/^(host|content-length|connection|accept-encoding|transfer-encoding)$/i.test(name)) {
      parts.push(`-H ${quoted(`${name}: ${value}`)}`)
    }
  }
  if (requestBody.text !== undefined) parts.push(`--data-binary ${quoted(requestBody.text)}`)
  return parts.join(" \\\n  ")
}

/** With two spaces a level, where it is JSON. */
export const pretty = (text: string): string => {
  if (text.length > 500_000 || !/^\s*[[{]/.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** The beginning of bytes, as hexadecimal numbers. */
export const hex = (base64: string): string =>
  Array.from(atob(base64.slice(0, 1024)), (character) => character.charCodeAt(0).toString(16).padStart(2, "0"))
    .join(" ")
    .replaceAll(/(.{47}) /g, "$1\n")

/** What a thrown value says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
