/**
 * Addresses as the facade names them.
 *
 * @since 0.1.0
 */
import { defaultHost } from "../ipc/Address.js"

/**
 * `host:port`, as a URL has it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const addressOf = (host: string | undefined = defaultHost, port: number | undefined): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`
