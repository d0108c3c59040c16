/**
 * Leaders in processes of their own that are killed, cut off from NATS, or stopped past their lease, and what one observer
 * sees of their terms. The observer is the store, too: it takes no write with a lower token than one that it has taken.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as net from "node:net"
import { createInterface } from "node:readline"

export interface Seen {
  /** How many terms have begun. */
  readonly terms: number
  /** Terms that began before the one before them had ended, by the observer's clock; a process that is stopped leads no more. */
  readonly overlaps: number
  /** Terms whose token isn't greater than those of all terms before. */
  readonly lowTokens: number
  /** Writes of an older term after a newer one's, and how many of them the store refused. */
  readonly lateWrites: number
  readonly refused: number
}

/** One end of a connection to NATS that can be cut. */
const makeRelay = async (to: number) => {
  const sockets = new Set<net.Socket>()
  let isCut = false
  const server = net.createServer((socket) => {
    if (isCut) return socket.destroy()
    const upstream = net.connect(to, "127.0.0.1")
    socket.pipe(upstream).pipe(socket)
    for (const end of [socket, upstream]) {
      sockets.add(end)
      end
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(end)
          socket.destroy()
          upstream.destroy()
        })
    }
    return undefined
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `nats://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    setCut: (cut: boolean) => {
      isCut = cut
      if (cut) for (const socket of sockets) socket.destroy()
    },
    close: () => {
      isCut = true
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

interface Participant {
  readonly child: ChildProcess
  readonly relay: Awaited<ReturnType<typeof makeRelay>>
  /** Of its term now; none where it doesn't lead. */
  token: number | undefined
  isStopped: boolean
}

/** `program` is what runs nats-leader.ts. */
export const observe = async (
  natsPort: number,
  program: ReadonlyArray<string>,
  rounds: { readonly kills: number; readonly cuts: number; readonly stops: number }
): Promise<Seen> => {
  const seen = { terms: 0, overlaps: 0, lowTokens: 0, lateWrites: 0, refused: 0 }
  const participants = new Set<Participant>()
  const listeners = new Set<() => void>()
  let highestBegun = 0
  let highestTaken = 0
  let names = 0

  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        if (!isSo()) return
        listeners.delete(look)
        resolve()
      }
      listeners.add(look)
      look()
    })

  const hear = (participant: Participant, line: string): void => {
    const [word, number] = line.split(" ")
    const token = Number(number)
    if (word === "begin") {
      seen.terms++
      if (token <= highestBegun) seen.lowTokens++
      highestBegun = Math.max(highestBegun, token)
      for (const other of participants) if (other.token !== undefined && !other.isStopped) seen.overlaps++
      participant.token = token
    } else if (word === "end") participant.token = undefined
    else if (word === "write") {
      const isLate = token < highestBegun
      if (isLate) seen.lateWrites++
      if (token < highestTaken) seen.refused++
      else highestTaken = token
    }
    for (const look of listeners) look()
  }

  const start = async (): Promise<Participant> => {
    const relay = await makeRelay(natsPort)
    const child = spawn(process.execPath, [...program, relay.url, `leader-${++names}`], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    const participant: Participant = { child, relay, token: undefined, isStopped: false }
    participants.add(participant)
    let isReady = false
    createInterface({ input: child.stdout }).on("line", (line) => {
      isReady ||= line === "ready"
      hear(participant, line)
    })
    await until(() => isReady)
    return participant
  }

  const end = async (participant: Participant): Promise<void> => {
    const exited = once(participant.child, "exit")
    participant.child.kill("SIGKILL")
    await exited
    participants.delete(participant)
    participant.relay.close()
  }

  const leader = async (): Promise<Participant> => {
    let found: Participant | undefined
    await until(() => {
      found = [...participants].find(({ isStopped, token }) => token !== undefined && !isStopped)
      return found !== undefined
    })
    return found as Participant
  }

  try {
    await start()
    await start()
    for (let round = 0; round < rounds.kills; round++) {
      const killed = await leader()
      await end(killed)
      await leader()
      await start()
    }
    for (let round = 0; round < rounds.cuts; round++) {
      const cut = await leader()
      cut.relay.setCut(true)
      await until(() => cut.token === undefined)
      await leader()
      cut.relay.setCut(false)
    }
    for (let round = 0; round < rounds.stops; round++) {
      const stopped = await leader()
      stopped.child.kill("SIGSTOP")
      stopped.isStopped = true
      const next = await leader()
      // The next one's writes have to be there, for the store to know its token.
      await until(() => highestTaken === next.token)
      stopped.child.kill("SIGCONT")
      await until(() => stopped.token === undefined)
      stopped.isStopped = false
    }
  } finally {
    for (const participant of [...participants]) await end(participant)
  }
  return seen
}
