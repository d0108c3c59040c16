/**
 * The gateway forwards by undici: streamed both ways, on connections that are kept alive.
 *
 * @since 0.2.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as UndiciForwarder from "./http/proxy/UndiciForwarder.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import { UpstreamProxy } from "./UpstreamProxy.js"

export type { UndiciOptions } from "./http/proxy/UndiciForwarder.js"
export type { UpstreamTls } from "./http/proxy/UpstreamTls.js"

/**
 * What the gateway does without any such Layer; to be provided where an option differs.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: UndiciForwarder.UndiciOptions): Layer.Layer<UpstreamProxy> =>
  Layer.sync(UpstreamProxy, () => UndiciForwarder.make(options))

/**
 * The options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<UndiciForwarder.UndiciOptions> = {}
): Layer.Layer<UpstreamProxy, ConfigError> =>
  Layer.effect(UpstreamProxy, Effect.map(ConfigOptions.given(options), UndiciForwarder.make))
