import { withPromises } from "./suites.js"

withPromises(8)
