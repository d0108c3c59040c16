import { join } from "node:path"
import { inject } from "vitest"

/** What a program of the repository was compiled to, for Node as it is: `test/support/processes/ipc-scale.ts`, say. */
export const program = (source: string): string => join(inject("programs"), source.replace(/\.ts$/, ".js"))
