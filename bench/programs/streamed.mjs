/** What the streams carry: elements of about 100 bytes, and chunks of 64 KiB. */
export const element = { runtimeId: "w-1", store: "myStore", key: "myKey", value: { a: 1, b: "hello", c: [1, 2, 3] } }
export const chunk = new Uint8Array(64 * 1024).fill(7)

/** Sends by `send` without end, no more than a socket takes at once; `isFull` says when it has enough. */
export const sendWithoutEnd = (socket, send, isFull) => {
  const sendOn = () => {
    for (let i = 0; i < 64 && !isFull(); i++) send()
    if (socket.destroyed) return
    if (isFull()) socket.once("drain", sendOn)
    else setImmediate(sendOn)
  }
  sendOn()
}
