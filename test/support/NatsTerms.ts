/**
 * Leaders in processes of their own that are killed, cut off from NATS, or stopped past their lease, and the history of their
 * terms as one observer sees it. The observer is the store, too: it takes no write with a lower token than one that it has taken.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as net from "node:net"
import { createInterface } from "node:readline"
import { machineMillis } from "./machineClock.js"
import type { Event } from "./TermsHistory.js"

export interface Rounds {
  readonly kills: number
  /** Every other one without a word: connections stand, and nothing arrives until they are joined again. */
  readonly cuts: number
  readonly stops: number
}

/** One end of a connection to NATS that can be cut. */
const makeRelay = async (to: number) => {
  const sockets = new Set<net.Socket>()
  let state: "open" | "silent" | "broken" = "open"
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    if (state === "broken") return socket.destroy()
    const upstream = net.connect(to, "127.0.0.1")
    for (const [from, into] of [
      [socket, upstream],
      [upstream, socket]
    ] as const) {
      from.on("data", (data) => into.write(data)).on("end", () => into.end())
      if (state === "silent") from.pause()
      else from.resume()
    }
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
    break: () => {
      state = "broken"
      for (const socket of sockets) socket.destroy()
    },
    /** What is sent meanwhile arrives when they are joined. */
    silence: () => {
      state = "silent"
      for (const socket of sockets) socket.pause()
    },
    join: () => {
      state = "open"
      for (const socket of sockets) socket.resume()
    },
    close: () => {
      state = "broken"
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

interface Participant {
  readonly name: string
  readonly child: ChildProcess
  readonly relay: Awaited<ReturnType<typeof makeRelay>>
  /** Of its term now; none where it doesn't lead. */
  token: number | undefined
  isStopped: boolean
}

/** How long anything may take that is waited for, in milliseconds. */
const patience = 60_000

/** `program` is what runs nats-leader.ts. Events are recorded in the order in which the observer knows of them. */
export const observe = async (
  natsPort: number,
  program: ReadonlyArray<string>,
  rounds: Rounds,
  record: (event: Event) => void
): Promise<void> => {
  const participants = new Set<Participant>()
  const listeners = new Set<() => void>()
  let highestTaken = 0
  let names = 0

  const until = (what: string, isSo: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const stopWaiting = () => {
        listeners.delete(look)
        clearTimeout(timer)
      }
      const look = () => {
        if (!isSo()) return
        stopWaiting()
        resolve()
      }
      const timer = setTimeout(() => {
        stopWaiting()
        reject(new Error(`${what}: not within ${patience} ms`))
      }, patience)
      listeners.add(look)
      look()
    })

  const act = ({ name }: Participant, what: "kill" | "cut" | "join" | "stop" | "resume"): void =>
    record({ at: machineMillis(), who: name, what })

  const hear = (participant: Participant, line: string): void => {
    const [what, ...numbers] = line.split(" ")
    const [token = 0, was = 0] = numbers.map(Number)
    const heard = { at: machineMillis(), who: participant.name, token }
    if (what === "begin" || what === "end") {
      participant.token = what === "begin" ? token : undefined
      record({ ...heard, what, was })
    } else if (what === "write") {
      const taken = token >= highestTaken
      if (taken) highestTaken = token
      record({ ...heard, what, taken })
    }
    for (const look of listeners) look()
  }

  const start = async (): Promise<void> => {
    const relay = await makeRelay(natsPort)
    const name = `leader-${++names}`
    const child = spawn(process.execPath, [...program, relay.url, name], { stdio: ["pipe", "pipe", "inherit"] })
    const participant: Participant = { name, child, relay, token: undefined, isStopped: false }
    participants.add(participant)
    let isReady = false
    createInterface({ input: child.stdout }).on("line", (line) => {
      isReady ||= line.startsWith("ready")
      hear(participant, line)
    })
    await until(`the start of ${name}`, () => isReady)
  }

  const end = async (participant: Participant): Promise<void> => {
    const { child } = participant
    // What it had told before is read first.
    const closed = once(child, "close")
    child.kill("SIGKILL")
    await closed
    participants.delete(participant)
    participant.relay.close()
  }

  const leader = async (): Promise<Participant> => {
    let found: Participant | undefined
    await until("a leader", () => {
      found = [...participants].find(({ isStopped, token }) => token !== undefined && !isStopped)
      return found !== undefined
    })
    return found as Participant
  }

  try {
    await start()
    await start()
    for (let kills = 0; kills < rounds.kills; ) {
      const killed = await leader()
      await end(killed)
      act(killed, "kill")
      // Its term may have ended just before.
      if (killed.token !== undefined) kills++
      await leader()
      await start()
    }
    for (let round = 0; round < rounds.cuts; round++) {
      const cut = await leader()
      if (round % 2 === 0) cut.relay.silence()
      else cut.relay.break()
      act(cut, "cut")
      await until("the end of the term of one that is cut off", () => cut.token === undefined)
      await leader()
      cut.relay.join()
      act(cut, "join")
    }
    for (let round = 0; round < rounds.stops; round++) {
      const stopped = await leader()
      stopped.child.kill("SIGSTOP")
      stopped.isStopped = true
      act(stopped, "stop")
      const next = await leader()
      // The next one's writes have to be there, for the store to know its token.
      await until("a write of the next leader", () => highestTaken === next.token)
      act(stopped, "resume")
      stopped.child.kill("SIGCONT")
      await until("the end of the term of one that was stopped", () => stopped.token === undefined)
      stopped.isStopped = false
    }
  } finally {
    for (const participant of [...participants]) await end(participant)
  }
}
