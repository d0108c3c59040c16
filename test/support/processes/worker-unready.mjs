/** Workers that are never ready, each in its way, and quickly: none loads the library. */
import { WebSocket } from "ws"

const connect = () =>
  new WebSocket(`${process.env.IPC_URL.replace("http", "ws")}/__ipc?runtimeId=${process.env.IPC_RUNTIME_ID}`)

switch (process.argv[2]) {
  case "throws":
    throw new Error("the database is missing")
  case "returns":
    break
  case "is silent":
    setInterval(() => {}, 60_000)
    break
  case "is slow":
    connect()
    break
  case "is stubborn":
    process.on("SIGTERM", () => {})
    connect()
    break
}
