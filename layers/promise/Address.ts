/**
 * Addresses as the facade names them.
 */
import { defaultHost } from "../ipc/Address.js"

/** `host:port`, as a URL has it. */
export const addressOf = (host: string | undefined = defaultHost, port: number | undefined): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`
