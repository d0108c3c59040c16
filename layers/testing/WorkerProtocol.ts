/**
 * What a worker tells its runner beside what the two define themselves.
 *
 * @since 0.1.0
 */
import { IPCServer } from "../../src/IPCServer.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Readiness {
  /** Which process: one that was started anew under the same name isn't taken for the one before. */
  readonly pid: number
  /** Whether every handler stands. Where not, one that is missing may yet come. */
  readonly complete: boolean
}

/**
 * The worker of this name is ready. A request of its own for each worker, so that each one's runner answers it.
 *
 * @since 0.1.0
 * @category requests
 */
export const ready = (runtimeId: string) =>
  IPCServer.defineRequest<Readiness, void>(`worker/ready/${encodeURIComponent(runtimeId)}`)
