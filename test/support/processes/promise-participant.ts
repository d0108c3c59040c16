/**
 * A participant at the given port until it is killed: it registers a service, and says what role it has.
 */
import { IPCServer, LocalDiscovery } from "effect-ipc/promise"

const service = new IPCServer()
service.interceptHttp("ALL", "/*", (_, { "*": path }) => ({ path: `/${path}` }))
await service.start()

const discovery = new LocalDiscovery(Number(process.argv[2]))
discovery.onRoleChange((role) => console.log(role))
await discovery.join()
await discovery.register({ api: "child", baseUrl: service.getUrl(), pathPrefix: "/child" })
console.log("registered")
