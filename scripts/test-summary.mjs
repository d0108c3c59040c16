/** Prints `N passed, N failed` from the report of Vitest's JSON reporter. */
import { readFileSync } from "node:fs"

const report = JSON.parse(readFileSync(process.argv[2], "utf8"))

// A file that doesn't load has no test that could fail.
const brokenFiles = report.testResults.filter(
  (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")
)
for (const file of brokenFiles) console.log(`${file.name} failed outside of its tests: ${file.message}`)

console.log(`${report.numPassedTests} passed, ${report.numFailedTests + brokenFiles.length} failed`)
