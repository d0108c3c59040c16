/**
 * Writes to this process's stdout and stderr.
 *
 * @internal
 */

/** Text that can't be written, for example on a full disk or to a closed pipe, is lost. As with `console.log`, nothing is thrown. */
export const write = (stream: NodeJS.WritableStream, chunk: string | Uint8Array): void => {
  if (!stream.listeners("error").includes(ignore)) stream.on("error", ignore)
  stream.write(chunk)
}

const ignore = (): void => {}
