import { IPCClient } from "effect-ipc"

/** How many orders of one user the service lists. */
export const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
