import * as Otlp from "@effect/opentelemetry/Otlp"
import { NodeHttpClient } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"

// #region telemetry
/** Exports traces, metrics and logs of a process to an OTLP receiver: a collector, Jaeger, Grafana's LGTM, … */
export const telemetry = (serviceName: string) =>
  Layer.unwrapEffect(
    Effect.map(Config.withDefault(Config.string("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://127.0.0.1:4318"), (baseUrl) =>
      Otlp.layerJson({ baseUrl, resource: { serviceName } })
    )
  ).pipe(Layer.provide(NodeHttpClient.layerUndici))
// #endregion
