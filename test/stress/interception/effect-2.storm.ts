import { withEffect } from "./suites.js"

withEffect(2)
