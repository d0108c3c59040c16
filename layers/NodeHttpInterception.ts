/**
 * HttpInterception on the gateway of this process.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Discovery } from "../src/Discovery.js"
import type { HttpGateway } from "../src/HttpGateway.js"
import { HttpInterception } from "../src/HttpInterception.js"
import type { IPCServer } from "../src/IPCServer.js"
import * as ArgumentIssue from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import type { HttpInterceptionOptions } from "./interception/InterceptionService.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"

export type { HttpInterceptionOptions } from "./interception/InterceptionService.js"

const optionNames: OptionNames<HttpInterceptionOptions> = {
  maxRecordedBytes: ArgumentIssue.numberIssue,
  maxTotalRecordedBytes: ArgumentIssue.numberIssue,
  cors: ArgumentIssue.flagIssue
}

/**
 * Intercepts on the gateway until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: HttpInterceptionOptions = {}
): Effect.Effect<HttpInterception.Service, never, Scope.Scope | IPCServer | HttpGateway | Discovery> =>
  Effect.suspend(() => {
    check("NodeHttpInterception", options, optionNames)
    // Most programs need none of it, and would start later with it.
    return Effect.flatMap(
      Effect.promise(() => import("./interception/InterceptionService.js")),
      (service) => service.make(options)
    )
  })

/**
 * Provides interception on a gateway. As {@link make}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: HttpInterceptionOptions = {}
): Layer.Layer<HttpInterception, never, IPCServer | HttpGateway | Discovery> =>
  Layer.scoped(HttpInterception, make(options))

/**
 * The options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<HttpInterceptionOptions> = {}
): Layer.Layer<HttpInterception, ConfigError, IPCServer | HttpGateway | Discovery> =>
  Layer.scoped(HttpInterception, Effect.flatMap(ConfigOptions.given(options), make))
