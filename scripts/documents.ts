/** Brings the examples' present code into the README and the pages of docs/. */
import { readFileSync, writeFileSync } from "node:fs"
import { embedExamples, pages } from "./embed-examples.js"

for (const page of pages()) {
  const file = new URL(`../${page}`, import.meta.url)
  const text = readFileSync(file, "utf8")
  const embedded = embedExamples(text)
  if (embedded !== text) writeFileSync(file, embedded)
}
