/**
 * The inspector's JSON. The token comes by the fragment of the printed URL and is kept for this tab.
 *
 * @internal
 */
import type { EventsView } from "../Views.js"

const key = "effect-ipc-inspector-token"

/** Takes the token out of the address, where it is there. */
export const takeToken = (): void => {
  const token = /[#&]token=([\w-]+)/.exec(location.hash)?.[1]
  if (token === undefined) return
  sessionStorage.setItem(key, token)
  history.replaceState(null, "", "#/traffic")
}

export const hasToken = (): boolean => sessionStorage.getItem(key) !== null

class Refused extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message)
  }
}

const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(`/api/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${sessionStorage.getItem(key) ?? ""}` },
    credentials: "omit"
  })
  if (response.ok) return response
  const { error } = (await response.json().catch(() => ({}))) as { readonly error?: string }
  throw new Refused(response.status, error ?? `The inspector answered ${response.status}.`)
}

export const get = async <A>(path: string): Promise<A> => (await (await request(path)).json()) as A

export const send = async <A>(method: string, path: string, body?: unknown): Promise<A> => {
  const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  return (await (await request(path, init)).json()) as A
}

export const download = async (path: string): Promise<Blob> => (await request(path)).blob()

/** Calls back with what happens, for as long as the inspector runs, and with whether it can be reached. */
export const listen = async (
  onEvents: (events: EventsView) => void,
  onProblem: (problem: string | undefined, isFinal: boolean) => void
): Promise<void> => {
  for (;;) {
    try {
      const { body } = await request("events")
      onProblem(undefined, false)
      if (body !== null) await readLines(body, (line) => onEvents(JSON.parse(line) as EventsView))
    } catch (error) {
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        return onProblem(error.message, true)
      }
    }
    onProblem("The inspector can't be reached.", false)
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

const readLines = async (body: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> => {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (rest + value).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) onLine(line)
  }
}
