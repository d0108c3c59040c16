/**
 * Where a server is looked for when nothing says otherwise.
 *
 * @since 0.1.0
 */

/**
 * This machine, and no other.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultHost = "127.0.0.1"

/**
 * The port of `IPC_PORT` where that isn't set.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultPort = 9000
