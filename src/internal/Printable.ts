/**
 * Text from another process, made safe for a terminal and a log: on one line, and without characters that control the
 * terminal or change the direction of text.
 *
 * @internal
 */

/** Control characters, line and paragraph separators, embeddings and overrides of direction, lone surrogates. */
const unprintable = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

const isUnprintable = new RegExp(unprintable.source, "u")

const lineBreak = /[\n\v\f\r\u0085\u2028\u2029]+/

/** The longest text of a peer that a message quotes, in characters. */
const maxQuotedLength = 1000

/** Whether the text has no unprintable character. */
export const isPrintable = (text: string): boolean => !isUnprintable.test(text)

/** The text with a space for each tab, and "?" for each other unprintable character. */
export const printable = (text: string): string =>
  text.replace(unprintable, (character) => (character === "\t" ? " " : "?"))

/** The text on one line, cut after 1,000 characters. */
export const oneLine = (text: string): string => {
  const start = text.length > maxQuotedLength ? `${text.slice(0, maxQuotedLength)}…` : text
  const lines = start.split(lineBreak).map((line) => line.trim())
  return printable(lines.filter((line) => line !== "").join(" "))
}

/** The text with its lines, each printable, without the colours that it may have. */
export const printableLines = (text: string): string =>
  text.replace(colours, "").split(/\r?\n/).map(printable).join("\n")

// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences begin with one (ECMA-48 section 8.3.117)
const colours = /\u001b\[[\d;]*m/g

/** The value as JSON on one line, with escapes for what is unprintable. */
export const quote = (value: unknown): string =>
  String(JSON.stringify(value)).replace(
    unprintable,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
