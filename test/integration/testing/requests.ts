/** What the tests' runner and its workers ask each other. */
import { IPCClient, IPCServer } from "effect-ipc"

export const SetLimit = IPCClient.defineRequest<number, number>("worker/setLimit")
export const GetLimit = IPCClient.defineRequest<void, number>("worker/getLimit")
export const GetEnv = IPCClient.defineRequest<string, string | null>("worker/getEnv")
/** Asks the runner for a name, and greets it. */
export const Greet = IPCClient.defineRequest<void, string>("worker/greet")
/** Never answers. */
export const Hang = IPCClient.defineRequest<void, void>("worker/hang")
/** Says why on stderr, and exits without an answer. */
export const Fall = IPCClient.defineRequest<{ readonly code: number; readonly text: string }, void>("worker/fall")
export const Nobody = IPCClient.defineRequest<void, void>("worker/nobody")

export const WhoIsThere = IPCServer.defineRequest<void, string>("runner/whoIsThere")
