import { NatsDiscovery } from "effect-ipc/nats"

// Where the programs meet: on one machine at the port of IPC_PORT, or on NATS at NATS_URL.
export const DiscoveryLive = NatsDiscovery.layerConfig()
