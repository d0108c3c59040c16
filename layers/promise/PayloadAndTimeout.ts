/**
 * The arguments of the facade's requests.
 *
 * @since 0.1.0
 */

/**
 * The arguments after the request: its payload, optional where that is `void`, and the timeout in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export type PayloadAndTimeout<Payload> = [Payload] extends [void]
  ? [payload?: undefined, timeoutMs?: number]
  : [payload: Payload, timeoutMs?: number]
