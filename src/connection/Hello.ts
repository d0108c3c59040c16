/**
 * The first frame of each end of an `effect-ipc.2` connection: the limits on what the other may send.
 *
 * @internal
 */

/** How much may be sent: so many requests or elements, and so many bytes of them. */
export interface Credit {
  readonly count: number
  readonly bytes: number
}

export interface Hello {
  /** A larger frame closes the connection. */
  readonly maxFrameBytes: number
  /** The requests and messages that may be sent until more are granted. */
  readonly credit: Credit
}

export const print = ({ credit, maxFrameBytes }: Hello): string =>
  `v::hello:${JSON.stringify({ maxFrameBytes, credit: { requests: credit.count, bytes: credit.bytes } })}`

/** Unknown fields are for later versions. */
export const parse = (data: unknown): Hello | undefined => {
  const { credit, maxFrameBytes } = fieldsOf(data)
  const granted = creditOf(credit, "requests")
  return isCount(maxFrameBytes) && maxFrameBytes > 0 && granted !== undefined
    ? { maxFrameBytes, credit: granted }
    : undefined
}

/** `{"requests":…,"bytes":…}`, or the same of `items`. Both must be there. */
export const creditOf = (data: unknown, name: "requests" | "items"): Credit | undefined => {
  const { bytes, [name]: count } = fieldsOf(data)
  return isCount(count) && isCount(bytes) ? { count, bytes } : undefined
}

export const printCredit = ({ bytes, count }: Credit, name: "requests" | "items"): string =>
  `{"${name}":${count},"bytes":${bytes}}`

const fieldsOf = (data: unknown): Readonly<Record<string, unknown>> =>
  typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
