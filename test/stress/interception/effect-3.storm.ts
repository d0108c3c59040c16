import { withEffect } from "./suites.js"

withEffect(3)
