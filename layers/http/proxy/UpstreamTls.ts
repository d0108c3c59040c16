/**
 * How upstreams are trusted.
 *
 * @since 0.2.0
 */
import type { ConnectionOptions } from "node:tls"

/**
 * How `https:` upstreams are trusted, as of Node's `tls.connect`.
 *
 * @since 0.2.0
 * @category models
 */
export interface UpstreamTls
  extends Pick<ConnectionOptions, "ca" | "cert" | "key" | "pfx" | "passphrase" | "rejectUnauthorized" | "minVersion"> {}
