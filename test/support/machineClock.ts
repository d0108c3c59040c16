/** The machine's monotonic clock, the same for all its processes, in milliseconds. */
export const machineMillis = (): number => Number((Number(process.hrtime.bigint()) / 1e6).toFixed(3))
