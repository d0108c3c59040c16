/** Brings the examples' present code into README.md. */
import { readFileSync, writeFileSync } from "node:fs"
import { embedExamples } from "./embed-examples.js"

const file = new URL("../README.md", import.meta.url)
const readme = readFileSync(file, "utf8")
const embedded = embedExamples(readme)
if (embedded !== readme) writeFileSync(file, embedded)
