/** What the suite in test/support/pools needs, as one compiled module. */

export * from "effect-ipc/testing"
export * as Requests from "../../integration/testing/requests.js"
