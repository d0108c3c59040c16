/**
 * Before each file: `layer` of @effect/vitest puts its own testers into the one `it` there is, where the next file of the
 * same worker would find them.
 */
import { effect, it, layer, scoped } from "@effect/vitest"

Object.assign(it, { effect, layer, scoped })
