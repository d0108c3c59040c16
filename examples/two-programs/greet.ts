import { IPCServer } from "effect-ipc"

/** Shared by both programs: what may be asked, and what is answered. */
export const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
