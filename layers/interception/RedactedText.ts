/**
 * Hides secrets in text by their names, whatever the text is: URLs, JSON, forms, XML, HTML, or lines of names and values.
 * Takes time in proportion to the text.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as Har from "../../src/internal/Har.js"
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import type { SecretNames } from "./SecretNames.js"

export interface RedactedText {
  readonly names: SecretNames
  readonly inText: (text: string) => string
  /** Of text that is a URL as a whole. */
  readonly inUrl: (url: string) => string
  readonly inForm: (form: string) => string
}

export const make = (names: SecretNames): RedactedText => {
  /** Text may be within text: JSON in a string of JSON, or a URL in a parameter. */
  const inText = (text: string, depth = 0): string =>
    inJson(text, depth) ??
    (FORM.test(text) ? inForm(text) : inLines(inTags(inTokens(text).replace(PARAMETER, parameter(depth)))))

  /** `undefined` where the text isn't the JSON of an object or an array. */
  const inJson = (text: string, depth: number): string | undefined => {
    if (!/^\s*[[{]/.test(text)) return undefined
    // Parsing tells of what is no JSON only by throwing: cut, or one value a line.
    try {
      const value = JsonBounds.parse(text)
      const shown = inValue(value, depth)
      return shown === value ? text : JSON.stringify(shown)
    } catch {
      return undefined
    }
  }

  /** The same value where nothing in it is hidden. */
  const inValue = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return depth < MAX_DEPTH ? inText(value, depth + 1) : value
    if (Array.isArray(value)) {
      const items = value.map((item) => inValue(item, depth))
      return items.every((item, at) => item === value[at]) ? value : items
    }
    if (!Predicate.isRecord(value)) return value
    const named = namedIn(value)
    const shown = new Map(
      Object.entries(value).map(([name, field]) => {
        const isSecret = names.hides(name, field) || (name === "value" && names.hides(named, field))
        return [name, isSecret ? Har.hidden : inValue(field, depth)]
      })
    )
    return Object.entries(value).every(([name, field]) => shown.get(name) === field) ? value : Object.fromEntries(shown)
  }

  const parameter =
    (depth: number) =>
    (whole: string, before: string, name: string, value: string): string => {
      const readable = decoded(value)
      if (names.hides(decoded(name), readable)) return `${before}${name}=${encodeURIComponent(Har.hidden)}`
      if (readable === value || depth >= MAX_DEPTH) return whole
      const shown = inText(readable, depth + 1)
      return shown === readable ? whole : `${before}${name}=${encodeURIComponent(shown)}`
    }

  /** The content of an element, its attributes, and the value of an input of a page. */
  const inTags = (text: string): string => {
    if (!text.includes("<")) return text
    const named = text.replace(TAG, (tag) => {
      const name = TAG_NAME.exec(tag)?.[2]
      return name !== undefined && names.has(name) ? tag.replace(TAG_VALUE, `$1"${Har.hidden}"`) : tag
    })
    let shown = ""
    let from = 0
    const unclosed = new Set<string>()
    for (const { 0: tag, 1: name = "", index } of named.matchAll(OPENING)) {
      if (index < from || unclosed.has(name) || !names.has(name.replace(/^.*:/, ""))) continue
      const content = index + tag.length
      const end = named.indexOf(`</${name}`, content)
      if (end === -1) unclosed.add(name)
      else {
        shown += named.slice(from, content) + Har.hidden
        from = end
      }
    }
    return shown + named.slice(from)
  }

  /** `"name": value` of JSON that is cut, `name="value"`, and lines of `name: value` or `name=value`. */
  const inLines = (text: string): string =>
    text
      .replace(JSON_FIELD, (whole, before: string, name: string, value: string) =>
        names.hides(name, wordOf(value)) ? `${before}"${Har.hidden}"` : whole
      )
      .replace(ASSIGNED, (whole, before: string, name: string, value: string) =>
        names.hides(name, value.slice(1, -1)) ? `${before}"${Har.hidden}"` : whole
      )
      .replace(LINE, (whole, before: string, name: string, value: string) =>
        !value.startsWith(`"${Har.hidden}"`) && names.hides(name, wordOf(value.trim())) ? before + Har.hidden : whole
      )

  const inForm = (form: string): string => `&${form}`.replace(FORM_FIELD, parameter(0)).slice(1)

  const inUrl = (url: string): string => {
    const shown = inTokens(url)
    const end = shown.search(/[?#]/)
    const path = end === -1 ? shown : shown.slice(0, end)
    return path.replace(PATH_PARAMETER, parameter(0)) + shown.slice(path.length).replace(URL_PARAMETER, parameter(0))
  }

  return { names, inText, inUrl, inForm }
}

const inTokens = (text: string): string =>
  text
    .replace(JWT, Har.hidden)
    .replace(BEARER, `$1${Har.hidden}`)
    .replace(BASIC, (whole, before: string, credentials: string) =>
      Buffer.from(credentials, "base64").includes(":") ? before + Har.hidden : whole
    )
    .replace(USER_INFO, `$1${Har.hidden}@`)

/** Of `{ name: "password", value: "…" }`. */
const namedIn = ({ key, name }: Readonly<Record<string, unknown>>): string => {
  const named = name ?? key
  return typeof named === "string" ? named : ""
}

const wordOf = (text: string): unknown => {
  if (text === "null") return null
  return text === "true" || text === "false" ? text === "true" : text
}

const decoded = (text: string): string => {
  // decodeURIComponent tells of bad escapes only by throwing.
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return text
  }
}

const MAX_DEPTH = 4

/** RFC 7519: header, claims and signature, of which the first two are JSON. */
const JWT = /(?<![\w-])eyJ[\w-]{5,}\.eyJ[\w-]{5,}(?:\.[\w-]*)?/g

/** RFC 6750, and what WebSockets have as a subprotocol. */
const BEARER = /((?<!\w)bearer(?:\s*,\s*|\s+|\.))(?!\w+=")[\w~+/=.-]{4,}/gi

const BASIC = /((?<!\w)basic )([\w+/]{4,}={0,2})/gi

/** RFC 3986 section 3.2.1. */
const USER_INFO = /((?<![a-z\d+.-])[a-z][a-z\d+.-]*:\/\/)[^\s/?#@"'<>]+@/gi

/** Of a query or a fragment, in any text. */
const PARAMETER = /([?&#;])([^=&#?;\s"'<>]+)=([^&#;\s"'<>]*)/g

const URL_PARAMETER = /([?&#;])([^=&#?;]+)=([^&#;]*)/g

const PATH_PARAMETER = /(;)([^=;/]+)=([^;/]*)/g

/** Two fields or more. */
const FORM = /^[\w.%[\]+-]+=[^&\s]*(?:&[\w.%[\]+-]+=[^&\s]*)+$/

const FORM_FIELD = /(&)([^=&]+)=([^&]*)/g

const TAG = /<[\w:-]+\s[^<>]*>/g

const TAG_NAME = /\s(?:name|id|key|property)\s*=\s*(["'])([^"'<>]*)\1/i

const TAG_VALUE = /(\s(?:value|content)\s*=\s*)(?:"[^"]*"|'[^']*')/i

const OPENING = /<([\w.:-]+)(?:\s[^<>]*)?(?<!\/)>/g

/** A string, a number or a word; a string at the end of what is cut has no end. */
const JSON_FIELD = /("((?:[^"\\\n]|\\.)*)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]"'{[]+)/g

const ASSIGNED = /((?<![\w.-])([\w.-]+)\s*(?:=>|[:=])\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\\n]|\\.)*')/g

const LINE = /^([ \t]*(?:-[ \t]+|export[ \t]+)?([\w.-]+)[ \t]*[:=][ \t]*)(\S[^\r\n]*)$/gm
