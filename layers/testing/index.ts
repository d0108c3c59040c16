/**
 * Layers and workers for test suites: for `layer(…)` and `it.scoped` of `@effect/vitest`, for suites without Effect, and
 * for worker modules.
 *
 * @since 0.1.0
 * @module effect-ipc/testing
 */

export * as Intercept from "../../src/Intercept.js"
export { WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
export * as GatewayTest from "./GatewayTest.js"
export * as HttpApiMock from "./HttpApiMock.js"
export * as MemoryIPC from "./MemoryIPC.js"
export * as TestGateway from "./promise/TestGateway.js"
export * as TestInterception from "./promise/TestInterception.js"
export * as Worker from "./Worker.js"
export * as WorkerClient from "./WorkerClient.js"
