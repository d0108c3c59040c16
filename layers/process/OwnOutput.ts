/**
 * Writes to this process's stdout and stderr.
 *
 * @internal
 */

/** Where it can't be written, as on a full disc or to a closed pipe, it is lost and ends no process, as with `console.log`. */
export const write = (stream: NodeJS.WritableStream, chunk: string | Uint8Array): void => {
  if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore)
  stream.write(chunk)
}

const ignore = (): void => {}
