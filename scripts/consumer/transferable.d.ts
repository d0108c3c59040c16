/** The only type of browsers that `@effect/rpc` mentions. */
declare type Transferable = ArrayBuffer
