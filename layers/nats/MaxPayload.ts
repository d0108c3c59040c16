/**
 * How much fits into one message: the server's `max_payload`, which counts headers, too.
 *
 * @internal
 */
import type { NatsConnection } from "@nats-io/transport-node"

/** The least that a participant can work with, in bytes: what it asks JetStream for has several hundred. */
const least = 1024

/**
 * Room for all of a message but its content, in bytes. Headers have at most 608: a line of 10, a `traceparent` of 70, a
 * `tracestate` of 526, an empty line.
 */
const reserve = 700

/** The content that fits into one message, in bytes. */
export const roomIn = ({ info }: NatsConnection): number => Math.max(maxPayloadOf(info), least) - reserve

/** What is wrong with the server's bound. */
export const issueOf = ({ info }: NatsConnection): string | undefined => {
  const bytes = maxPayloadOf(info)
  return bytes < least
    ? `the server's max_payload is ${bytes} bytes, and has to be at least ${least}: change it in the server's configuration`
    : undefined
}

const maxPayloadOf = (info: NatsConnection["info"]): number => info?.max_payload ?? 1024 * 1024
