import { withSessions } from "./suites.js"

withSessions(13)
