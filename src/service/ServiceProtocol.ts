/**
 * What an endpoint tells its clients, beside what the service itself does.
 *
 * @internal
 */
import { IPCClient } from "../IPCClient.js"

/** The service is being withdrawn: make no further requests here, and disconnect once the last one has its response. */
export const Withdrawing = IPCClient.defineRequest<void, void>("service/withdrawing")
