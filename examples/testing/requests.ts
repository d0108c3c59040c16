import { IPCClient, IPCServer } from "effect-ipc"

/** How many orders of one user the service lists. */
export const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")

/** What `users` answers by its name. */
export const GetUser = IPCServer.defineRequest<{ readonly id: number }, string>("users/get")

/** What the runner asks of the worker that greets. */
export const Greet = IPCClient.defineRequest<{ readonly id: number }, string>("greet")
