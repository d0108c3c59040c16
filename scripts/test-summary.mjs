/** Prints `N passed, N failed` of all reports of Vitest's JSON reporter that are named. */
import { readFileSync } from "node:fs"

let passed = 0
let failed = 0
for (const path of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(path, "utf8"))
  // A file that doesn't load has no test that could fail.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")
  )
  for (const file of brokenFiles) console.log(`${file.name} failed outside of its tests: ${file.message}`)
  passed += report.numPassedTests
  failed += report.numFailedTests + brokenFiles.length
}

console.log(`${passed} passed, ${failed} failed`)
