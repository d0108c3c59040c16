import { withPromises } from "./suites.js"

withPromises(5)
