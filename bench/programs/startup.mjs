/** From nothing to the first answered request, as fast as the process can: `startup.mjs NAME VARIANT PORT`. */
import { payloads } from "./payloads.mjs"

const [name, variant, port] = process.argv.slice(2)
if (name !== "node") {
  const { connect } = await import(`./requests/${name}.mjs`)
  const { call } = await connect(Number(port), variant)
  await call(payloads.small)
}
process.send({ id: 0, value: "answered" }, () => process.exit(0))
