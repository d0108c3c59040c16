import { Schema } from "effect"
import { IPCClient, IPCServer, ServiceClient } from "effect-ipc"

/** What the service `users` answers by its name. */
export const GetUser = IPCServer.defineRequest("users/get", { payload: Schema.Number, success: Schema.String })

export class Users extends ServiceClient.Tag("users") {}

/** What the worker answers to the gateway's process. */
export const Render = IPCClient.defineRequest("render", { payload: Schema.String, success: Schema.String })
