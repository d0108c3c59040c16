/**
 * The requests between a worker and its runner, beside those that a suite defines.
 *
 * @internal
 */
import { IPCServer } from "../../src/IPCServer.js"

export interface Readiness {
  /** Tells a restarted process from the one before it. */
  readonly pid: number
  /** Whether every handler is registered; otherwise missing ones may still be. */
  readonly complete: boolean
}

/** Tells that the worker is ready. One request per worker, so that each worker's own runner answers it. */
export const ready = (runtimeId: string) =>
  IPCServer.defineRequest<Readiness, void>(`worker/ready/${encodeURIComponent(runtimeId)}`)
