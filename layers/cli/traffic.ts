/**
 * `effect-ipc traffic`: prints the gateway's HTTP exchanges, or saves them as HAR.
 *
 * @internal
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { quote } from "../../src/internal/Printable.js"
import type { StoredExchange } from "../inspector/ExchangeStore.js"
import * as GatewayWatch from "../inspector/GatewayWatch.js"
import { InspectorState } from "../inspector/InspectorState.js"
import * as InspectorViews from "../inspector/InspectorViews.js"
import { pages } from "../inspector/Pages.js"
import * as HarFile from "../interception/HarFile.js"
import { urlOf } from "../ipc/Address.js"
import { version } from "../process/PackageVersion.js"
import { type CommandFailed, explain, failure } from "./CommandFailed.js"
import * as ConnectionLog from "./ConnectionLog.js"
import * as Output from "./Output.js"
import { type GatewayAddress, gateway, runtimeIdFor } from "./options.js"
import * as TrafficListing from "./TrafficListing.js"

export const traffic = Command.make(
  "traffic",
  {
    address: gateway(1),
    watch: Options.boolean("watch").pipe(
      Options.withDescription("Record and print every exchange from now on, until stopped by SIGINT or SIGTERM.")
    ),
    json: Options.boolean("json").pipe(
      Options.withDescription("Print each exchange as JSON on a line of its own, with headers and bodies.")
    ),
    har: Options.file("har", { exists: "either" }).pipe(
      Options.withPseudoName("file"),
      Options.optional,
      Options.map(Option.getOrUndefined),
      Options.withDescription("Write the exchanges to this file as HAR, too. Only you may read it.")
    ),
    showSecrets: Options.boolean("show-secrets").pipe(
      Options.withDescription("Show the values of authorization, cookie and set-cookie, which are hidden otherwise.")
    )
  },
  (options) =>
    Effect.gen(function* () {
      const { address, har, watch } = options
      const state = yield* makeState(address)
      const file = har === undefined ? undefined : yield* openHar(har)
      const show = (exchange: StoredExchange) =>
        Effect.zipRight(
          Output.print(lineOf(state, exchange, options)),
          file === undefined
            ? Effect.void
            : Effect.mapError(
                file.append(InspectorViews.harEntry(state, exchange, options.showSecrets)),
                notWritten(har)
              )
        )
      const shown = Stream.runForEach(ended(state), show)
      if (watch) {
        yield* GatewayWatch.make(address, state)
        yield* ConnectionLog.start(state)
        return yield* Effect.raceFirst(shown, Output.closed)
      }
      yield* fetchRecorded(address, state)
      if (state.exchanges.size === 0) {
        yield* Effect.logInfo(
          "nothing is recorded while the gateway isn't watched: pass --watch, or keep an inspector open"
        )
      }
      yield* Effect.forEach(endedOf(state.exchanges.all()), show, { discard: true })
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Prints the gateway's HTTP exchanges that are recorded while an inspector watches, or with --watch those to come."
  )
)

const makeState = (address: GatewayAddress) =>
  Effect.map(
    Effect.clock,
    (clock) =>
      new InspectorState({
        gateway: urlOf(address),
        maxExchanges: 20_000,
        maxBytes: 64 * 1024 * 1024,
        now: () => clock.unsafeCurrentTimeMillis()
      })
  )

/** What the gateway has recorded until now. */
const fetchRecorded = (address: GatewayAddress, state: InspectorState): Effect.Effect<void, CommandFailed> =>
  Effect.gen(function* () {
    const client = yield* GatewayWatch.connect(address, runtimeIdFor("inspector"))
    yield* GatewayWatch.feed(client, Stream.empty).pipe(
      Stream.takeUntil(({ behind }) => behind === 0),
      Stream.runForEach((page) => Effect.sync(() => state.onPage(page)))
    )
  }).pipe(
    Effect.scoped,
    Effect.catchTag("StreamsUnsupported", ({ message }) => Effect.fail(failure(message))),
    Effect.mapError(explain(address))
  )

/** Each exchange once it has ended. */
const ended = (state: InspectorState): Stream.Stream<StoredExchange> =>
  Stream.flattenIterables(
    Stream.map(pages(state.exchanges.changes, 0, exchangesAtOnce), ({ items }) =>
      endedOf(Array.from(new Set(items), (id) => state.exchanges.get(id)))
    )
  )

const endedOf = (exchanges: Iterable<StoredExchange | undefined>): ReadonlyArray<StoredExchange> =>
  Array.from(exchanges).flatMap((exchange) => (exchange?.record.durationMillis === undefined ? [] : [exchange]))

const exchangesAtOnce = 256

const lineOf = (
  state: InspectorState,
  stored: StoredExchange,
  { json, showSecrets }: { readonly json: boolean; readonly showSecrets: boolean }
): string =>
  json
    ? quote(InspectorViews.exchange(state, stored, showSecrets))
    : TrafficListing.line(InspectorViews.summary(stored))

const openHar = (path: string): Effect.Effect<HarFile.HarFile, CommandFailed, Scope.Scope> =>
  Effect.mapError(HarFile.open(path, version()), notWritten(path))

const notWritten =
  (path: string | undefined) =>
  ({ message }: Error): CommandFailed =>
    failure(`Could not write ${path}: ${message}.`)
