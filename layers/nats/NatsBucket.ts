/**
 * The bucket on JetStream's key-value store, of servers from 2.9 on. It never reads a key: a `get` may be answered by a
 * replica that lags behind. What it knows is what the watch tells, and each write is a compare-and-set.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import type {
  ConsumerMessages,
  JetStreamClient,
  JetStreamManager,
  JsMsg,
  PushConsumer,
  StreamConfig
} from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import { NatsFailed } from "../../src/IPCError.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import type { Bucket, Entry } from "../../src/lease/Bucket.js"
import { BucketUnavailable, RevisionMismatch } from "../../src/lease/Bucket.js"

export interface NatsBucketOptions {
  readonly servers: string
  readonly name: string
  /** Participants rely on the bucket to keep a record for so long, in milliseconds. None where nothing is written to it. */
  readonly maxAge?: number
  /** How long the server's answer to a write, or to the begin of a watch, is waited for, in milliseconds. */
  readonly answerTimeout: number
}

export interface NewBucketOptions extends NatsBucketOptions {
  readonly replicas: number
  /** In milliseconds. */
  readonly maxAge: number
}

/**
 * Opens the bucket, and makes it where it isn't there.
 */
export const make = (connection: NatsConnection, options: NewBucketOptions): Effect.Effect<Bucket, NatsFailed> =>
  opened(connection, options, (client) => create(client, options))

const create = async (client: JetStreamClient, { maxAge, name, replicas }: NewBucketOptions): Promise<void> => {
  const { Kvm } = await import("@nats-io/kv")
  const kvm = new Kvm(client)
  await kvm.create(name, { history: 1, ttl: maxAge, replicas }).catch(async (error: unknown) => {
    // Another participant has created it, with other options.
    if (codeOf(error) !== streamExists) throw error
    await kvm.open(name)
  })
}

/**
 * Opens the bucket where it is there.
 */
export const open = (connection: NatsConnection, options: NatsBucketOptions): Effect.Effect<Bucket, NatsFailed> =>
  opened(connection, options)

const opened = (
  connection: NatsConnection,
  options: NatsBucketOptions,
  /** Creates the bucket, also if the server has lost it later. Default: it has to be there. */
  create?: (client: JetStreamClient) => Promise<void>
): Effect.Effect<Bucket, NatsFailed> =>
  Effect.tryPromise({
    try: async () => {
      const { jetstream } = await import("@nats-io/jetstream")
      // A cluster takes longer to make a stream than to answer, so this has the client's own timeout.
      const patient = jetstream(connection)
      const remake = create === undefined ? undefined : () => create(patient)
      await remake?.()
      const client = jetstream(connection, { timeout: options.answerTimeout })
      const manager = await client.jetstreamManager(false)
      const { config } = await (await patient.jetstreamManager(false)).streams.info(streamOf(options))
      const issue = issueOf(config, options)
      if (issue !== undefined) throw new UnsuitableBucket(issue)
      return overJetStream(connection, client, manager, options, remake)
    },
    catch: (error) => failure(options.servers, error)
  })

const streamOf = ({ name }: NatsBucketOptions): string => `KV_${name}`

const overJetStream = (
  connection: NatsConnection,
  client: JetStreamClient,
  manager: JetStreamManager,
  options: NatsBucketOptions,
  remake: (() => Promise<unknown>) | undefined
): Bucket => {
  const stream = streamOf(options)
  /** When the bucket that was watched last was created. */
  let createdAt: string | undefined
  /** Ends the watches, since a consumer doesn't notice that its stream was deleted. */
  const watches = new Set<() => void>()

  const look = () => manager.streams.info(stream)
  const found = async () => {
    try {
      return await look()
    } catch (error) {
      if (remake === undefined || codeOf(error) !== streamMissing) throw error
      await remake()
      return await look()
    }
  }
  const prefix = `$KV.${options.name}.`

  const publish = (key: string, value: string, headers: Readonly<Record<string, string>>) =>
    Effect.tryPromise({
      try: async () => {
        const { headers: makeHeaders } = await import("@nats-io/transport-node")
        const all = makeHeaders()
        for (const [header, content] of Object.entries(headers)) all.set(header, content)
        const { seq } = await client.publish(prefix + key, value, { headers: all, retries: 0 })
        return seq
      },
      catch: (error) => {
        if (wrongLastSequence.has(codeOf(error) ?? 0)) return new RevisionMismatch()
        if (isAbsent(error)) for (const end of watches) end()
        return unavailable(error, options)
      }
    })

  const expecting = (revision: number) => ({ "Nats-Expected-Last-Subject-Sequence": String(revision) })

  const entryOf = (message: JsMsg): Entry => ({
    key: message.subject.slice(prefix.length),
    revision: message.seq,
    value: message.headers?.has("KV-Operation") === true ? undefined : message.string()
  })

  return {
    write: (key, value, expected) => publish(key, value, expecting(expected)),
    remove: (key, expected) => publish(key, "", { ...expecting(expected), "KV-Operation": "DEL" }),
    watch: (listener) =>
      Effect.gen(function* () {
        const name_prefix = `watch-${randomUUID()}`
        let created: PushConsumer | undefined
        // Else the server keeps it for minutes, and a participant that watches anew now and then piles them up. One that was
        // asked for in vain may be there all the same.
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (connection.isClosed()) return
            const removal = created?.delete() ?? manager.consumers.delete(stream, `${name_prefix}_1`)
            removal.catch(() => {})
          })
        )
        const { consumer, pending } = yield* Effect.tryPromise({
          try: async () => {
            const { DeliverPolicy } = await import("@nats-io/jetstream")
            const { config, created: createdNow } = await found()
            const issue = issueOf(config, options)
            if (issue !== undefined) throw new UnsuitableBucket(issue)
            if (createdAt !== undefined && createdAt !== createdNow) listener.onReplaced()
            createdAt = createdNow
            const consumer: PushConsumer = await client.consumers.getPushConsumer(stream, {
              name_prefix,
              filter_subjects: `${prefix}>`,
              deliver_policy: DeliverPolicy.LastPerSubject
            })
            created = consumer
            return { consumer, pending: (await consumer.info(true)).num_pending }
          },
          catch: (error) => unavailable(error, options)
        })
        let isCurrent = pending === 0
        if (isCurrent) listener.onCurrent()
        const messages: ConsumerMessages = yield* Effect.acquireRelease(
          Effect.tryPromise({
            try: () =>
              consumer.consume({
                callback: (message) => {
                  listener.onEntry(entryOf(message))
                  if (isCurrent || message.info.pending > 0) return
                  isCurrent = true
                  listener.onCurrent()
                }
              }),
            catch: (error) => unavailable(error, options)
          }),
          (consumed) => Effect.sync(() => consumed.stop())
        )
        const gone = Effect.async<string>((resume) => {
          const end = () => resume(Effect.succeed("the bucket is gone"))
          watches.add(end)
          return Effect.sync(() => watches.delete(end))
        })
        const ended = yield* Effect.raceFirst(
          Effect.promise(() => messages.closed()),
          gone
        )
        return yield* unavailable(ended ?? "the watch has ended", options)
      })
  }
}

const streamExists = 10058
const streamMissing = 10059
/** As servers of 2.9 tell it, and later ones. */
const wrongLastSequence = new Set([10071, 10164])
const jetStreamMissing = new Set([10039, 10076])
const tooFewReplicas = new Set([10005, 10074])

const codeOf = (error: unknown): number | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "number"
    ? error.code
    : undefined

/** Whether no server answers for the stream, or for JetStream at all. */
const isAbsent = (error: unknown): boolean =>
  /no responders|jetstream( is)? not (enabled|available)/i.test(`${error} ${messageOf(error)}`)

/** The least limit of a value's size that has room for an entry or a participant's record, in bytes. */
const leastValueLimit = 8192

/** Which setting of the bucket participants can't do with, and how it is changed. */
const issueOf = (config: StreamConfig, options: NatsBucketOptions): string | undefined => {
  const { name, maxAge = 0 } = options
  const changed = (issue: string, flag: string) =>
    `${issue}; change that by "nats stream edit ${streamOf(options)} ${flag}"`
  const subject = `$KV.${name}.>`
  if (config.subjects?.includes(subject) !== true) {
    return changed(`the stream ${streamOf(options)} doesn't store the subject ${subject}`, `--subjects='${subject}'`)
  }
  if (config.sealed || config.retention !== "limits") {
    return `the stream ${streamOf(options)} is ${config.sealed ? "sealed" : `one of ${config.retention} retention`}`
  }
  const age = config.max_age / 1e6
  if (age > 0 && age < maxAge) {
    const issue = `the bucket ${name} drops a record after ${age} ms, and participants write some again only within ${maxAge} ms`
    return changed(issue, `--max-age=${maxAge}ms`)
  }
  if (maxAge > 0 && config.max_msg_size >= 0 && config.max_msg_size < leastValueLimit) {
    const issue = `the bucket ${name} refuses values above ${config.max_msg_size} bytes, and needs room for ${leastValueLimit}`
    return changed(issue, "--max-msg-size=-1")
  }
  return undefined
}

class UnsuitableBucket extends Error {}

/** What the server says of a bucket that has no room, or takes no value of this size, or no more writes at all. */
const lasting =
  /maximum (bytes|messages) exceeded|exceeds maximum allowed|sealed stream|(storage|memory) resources|resource limits/i

const unavailable = (error: unknown, { name }: NatsBucketOptions): BucketUnavailable => {
  const detail = messageOf(error)
  if (error instanceof UnsuitableBucket) return new BucketUnavailable({ reason: "Unsuitable", detail })
  if (lasting.test(detail)) {
    return new BucketUnavailable({ reason: "Unsuitable", detail: `the bucket ${name} refuses a write: ${detail}` })
  }
  return new BucketUnavailable({ reason: /permissions violation/i.test(detail) ? "Refused" : "NoAnswer", detail })
}

/** Why a participant can't take part. */
export const failureOf = (servers: string, { detail, reason }: BucketUnavailable): NatsFailed =>
  new NatsFailed({ reason: failureReasons[reason], servers, detail })

const failureReasons = { NoAnswer: "Unavailable", Refused: "Refused", Unsuitable: "UnsuitableBucket" } as const

const failure = (servers: string, error: unknown): NatsFailed => {
  const code = codeOf(error) ?? 0
  const detail = messageOf(error)
  if (error instanceof UnsuitableBucket) return new NatsFailed({ reason: "UnsuitableBucket", servers, detail })
  if (code === streamMissing) {
    return new NatsFailed({ reason: "InvalidOptions", servers, detail: "no participant has joined the namespace yet" })
  }
  const reason =
    jetStreamMissing.has(code) || isAbsent(error)
      ? "NoJetStream"
      : tooFewReplicas.has(code)
        ? "TooFewReplicas"
        : /permission/i.test(detail)
          ? "Refused"
          : "Unavailable"
  return new NatsFailed({ reason, servers, detail })
}
