import { assert, describe, it } from "@effect/vitest"
import * as CommandLine from "../../../layers/cli/CommandLine.js"
import { render } from "../../../layers/cli/HelpPage.js"
import * as HelpPages from "../../../layers/cli/HelpPages.js"

const page = {
  description: "Asks the leader that listens for routes.",
  usage: "effect-ipc ask [--port number] --api text <word>...",
  sections: [
    {
      title: "OPTIONS",
      rows: [
        ["--port number", "The gateway's port."],
        ["--api text", "The service that is asked, whatever its name."]
      ]
    }
  ],
  examples: ["effect-ipc ask --port 9000 --api users -- who"]
} as const

describe("a page of help", () => {
  it("has terms and texts beside each other where there is room", () => {
    assert.deepStrictEqual(render(page, 80).split("\n"), [
      "Asks the leader that listens for routes.",
      "",
      "USAGE",
      "  effect-ipc ask [--port number] --api text <word>...",
      "",
      "OPTIONS",
      "  --port number  The gateway's port.",
      "  --api text     The service that is asked, whatever its name.",
      "",
      "EXAMPLES",
      "  effect-ipc ask --port 9000 --api users -- who"
    ])
  })

  it("has them below each other where there is little, and parts no option from its value", () => {
    assert.deepStrictEqual(render(page, 40).split("\n"), [
      "Asks the leader that listens for routes.",
      "",
      "USAGE",
      "  effect-ipc ask [--port number]",
      "      --api text <word>...",
      "",
      "OPTIONS",
      "  --port number",
      "      The gateway's port.",
      "  --api text",
      "      The service that is asked,",
      "      whatever its name.",
      "",
      "EXAMPLES",
      "  effect-ipc ask --port 9000 \\",
      "      --api users -- who"
    ])
  })

  it("of each command fits into 60 and 120 columns, and describes every option that its usage has", async () => {
    const pages = await HelpPages.load()
    assert.deepStrictEqual(Object.keys(pages), [
      "",
      "serve",
      "register",
      "run",
      "routes",
      "inspect",
      "traffic",
      "request",
      "stream"
    ])
    assert.include(pages.serve?.usage, " [--allowed-host text...]")
    for (const [name, page] of Object.entries(pages)) {
      for (const columns of [60, 120]) {
        const lines = render(page, columns).split("\n")
        assert.deepStrictEqual(
          lines.filter((line) => line.length > columns),
          [],
          `${name} at ${columns}`
        )
      }
      const rows = page.sections.flatMap(({ rows }) => rows)
      assert.isTrue(rows.length > 0 && page.description !== "" && page.examples.length > 0, name)
      assert.deepStrictEqual(
        rows.filter(([, text]) => text === ""),
        [],
        name
      )
      for (const option of page.usage.match(/--[a-z-]+/g) ?? []) {
        assert.isTrue(
          rows.some(([term]) => term.startsWith(option)),
          `${name} ${option}`
        )
      }
    }
  })
})

describe("help is wanted", () => {
  const wanted = (...words: ReadonlyArray<string>) => CommandLine.helpWanted(["node", "main.js", ...words])

  it("of the command, or of the subcommand", () => {
    assert.deepStrictEqual(
      [wanted(), wanted("--help"), wanted("-h"), wanted("serve", "--help"), wanted("--help", "routes")],
      ["", "", "", "serve", "routes"]
    )
  })

  it("not where something else is, also of a command that run is to start", () => {
    assert.deepStrictEqual(
      [wanted("--version"), wanted("routes"), wanted("run", "--api", "a", "--", "node", "--help")],
      [undefined, undefined, undefined]
    )
  })
})
