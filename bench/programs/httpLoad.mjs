/**
 * What asks the gateways where wrk isn't installed: keep-alive connections over bare sockets, each with one request at a
 * time, responses delimited by content-length or chunks (RFC 9112 section 6).
 */
import { connect } from "node:net"
import { answering } from "./answering.mjs"
import { startRun } from "./load.mjs"

const lastChunk = Buffer.from("0\r\n\r\n")

const ask = (port, path, run) =>
  new Promise((resolve, reject) => {
    const request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request))
    let left = -1
    let chunked = false
    socket.on("error", reject)
    socket.on("close", () => (run.over ? resolve() : reject(new Error("the gateway closed a connection"))))
    const answered = () => {
      left = -1
      run.count++
      if (run.over) socket.destroy()
      else socket.write(request)
    }
    let head = Buffer.alloc(0)
    socket.on("data", (data) => {
      let chunk = data
      if (left === -1) {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
        const end = head.indexOf("\r\n\r\n")
        if (end === -1) return
        const text = head.toString("latin1", 0, end)
        if (!text.startsWith("HTTP/1.1 200")) return reject(new Error(text.slice(0, 100)))
        const length = /\r\ncontent-length: *(\d+)/i.exec(text)
        chunked = length === null
        left = chunked ? 0 : Number(length[1])
        chunk = head.subarray(end + 4)
        head = Buffer.alloc(0)
      }
      if (chunked) {
        if (chunk.subarray(-lastChunk.length).equals(lastChunk)) answered()
        return
      }
      left -= chunk.length
      if (left === 0) answered()
    })
  })

answering({
  load: async (port, path, connections, millis) => {
    const run = startRun(millis)
    await Promise.all(Array.from({ length: connections }, () => ask(port, path, run)))
    return run.end()
  }
})
