/**
 * Where the gateway sends a request that no route of its own takes.
 *
 * @since 0.1.0
 */

/**
 * One real service behind the gateway.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upstream {
  /** `http://host:port`, with a path in front of the request's own where the service lives below one. */
  readonly baseUrl: string
  /**
   * The upstream to try when this one refuses the connection and nothing of the request was sent yet, or twice breaks the
   * connection of a GET, HEAD or OPTIONS before it answers.
   */
  readonly next?: () => Upstream | undefined
  /** Called once, when the exchange with this upstream has ended, however it ended. */
  readonly release?: () => void
}

/**
 * Chooses the upstream for a request's path (with its query), or none: then the gateway answers 404.
 *
 * @since 0.1.0
 * @category models
 */
export type RouteProxyResolver = (path: string) => string | Upstream | undefined
