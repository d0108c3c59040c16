/**
 * What the load's processes ask of each other.
 */
import * as Schema from "effect/Schema"
import { IPCClient } from "../../../src/IPCClient.js"
import { IPCServer } from "../../../src/IPCServer.js"

export class Refused extends Schema.TaggedError<Refused>("load/Refused")("Refused", { id: Schema.Number }) {}

export const Echo = IPCServer.defineRequest<string, string>("load/echo")
/** Answers after so many milliseconds. */
export const Work = IPCServer.defineRequest<number, string>("load/work")
/** Answers with so many characters. */
export const Blob = IPCServer.defineRequest<number, string>("load/blob")
/** The server asks its caller back before it answers. */
export const AskBack = IPCServer.defineRequest<number, string>("load/askBack")
export const Progress = IPCServer.defineRequest<number, void>("load/progress")
export const Typed = IPCServer.defineRequest("load/typed", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: Schema.Struct({ id: Schema.Number, at: Schema.Date }),
  failure: Refused
})

export const ClientEcho = IPCClient.defineRequest<string, string>("load/clientEcho")
export const ClientWork = IPCClient.defineRequest<number, string>("load/clientWork")
export const News = IPCClient.defineRequest<string, void>("load/news")
