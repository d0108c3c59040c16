import { withSessions } from "./suites.js"

withSessions(11)
