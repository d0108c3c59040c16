/** The site: the pages of docs/, and the API reference that TypeDoc has written below api/. */
import { readFileSync } from "node:fs"
import { type DefaultTheme, defineConfig } from "vitepress"

const repository = "https://github.com/effect-ipc/effect-ipc"

const page = (text: string, link: string): DefaultTheme.SidebarItem => ({ text, link: `/${link}` })

const guide: ReadonlyArray<readonly [group: string, pages: ReadonlyArray<readonly [text: string, name: string]>]> = [
  [
    "Begin",
    [
      ["Setting up", "setup"],
      ["Requests", "requests"],
      ["Streams and bytes", "streams"],
      ["The HTTP gateway", "gateway"]
    ]
  ],
  [
    "Services",
    [
      ["Discovery", "discovery"],
      ["Services by name", "services"],
      ["Leader election", "election"],
      ["The command", "command"]
    ]
  ],
  [
    "Tests",
    [
      ["With Effect", "testing"],
      ["With promises", "testing-promises"],
      ["From other mock libraries", "coming-from"]
    ]
  ],
  [
    "Without Effect",
    [
      ["Promises", "promises"],
      ["Migration from @grest-ts/ipc", "migration"]
    ]
  ],
  [
    "Running it",
    [
      ["Configuration", "configuration"],
      ["Errors", "errors"],
      ["Observing", "observing"],
      ["Inspector", "inspector"],
      ["Security and limits", "security"],
      ["The Unix socket", "unix-socket"],
      ["Several machines: NATS", "nats"],
      ["Performance", "performance"]
    ]
  ],
  [
    "Inside",
    [
      ["Architecture", "architecture"],
      ["The protocol", "protocol"]
    ]
  ]
]

const guideSidebar: Array<DefaultTheme.SidebarItem> = guide.map(([text, pages]) => ({
  text,
  items: pages.map(([text, name]) => page(text, name))
}))

const apiSidebar = JSON.parse(
  readFileSync(new URL("../api/typedoc-sidebar.json", import.meta.url), "utf8")
) as Array<DefaultTheme.SidebarItem>

export default defineConfig({
  title: "effect-ipc",
  description: "Typed communication between the processes of one machine, over one local port",
  srcExclude: ["node_modules/**"],
  // No request for an icon.
  head: [["link", { rel: "icon", href: "data:," }]],
  cleanUrls: true,
  lastUpdated: false,
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    config: (md) => {
      const open = md.renderer.rules.link_open
      // What lies outside of docs/ is read in the repository.
      md.renderer.rules.link_open = (tokens, index, ...rest) => {
        const token = tokens[index]
        const href = token?.attrGet("href")
        if (href?.startsWith("../") && !(rest[1] as { relativePath?: string }).relativePath?.startsWith("api/")) {
          token?.attrSet("href", `${repository}/blob/main/${href.slice(3)}`)
        }
        return open?.(tokens, index, ...rest) ?? ""
      }
    }
  },
  themeConfig: {
    nav: [
      page("Guide", "setup"),
      page("API", "api/"),
      { text: "Repository", link: repository }
    ] as Array<DefaultTheme.NavItemWithLink>,
    sidebar: { "/api/": apiSidebar, "/": guideSidebar },
    outline: [2, 3],
    search: { provider: "local", options: { detailedView: false } },
    docFooter: { prev: "Previous", next: "Next" }
  }
})
