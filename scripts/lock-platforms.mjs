/**
 * Completes package-lock.json after `npm install`: a registry that lacks some platforms' binaries makes npm leave their
 * entries out, and then `npm ci` refuses the lock file everywhere. Of another folder's: `node scripts/lock-platforms.mjs docs`.
 */
import { readFileSync, writeFileSync } from "node:fs"

const file = new URL(`../${process.argv[2] ?? "."}/package-lock.json`, import.meta.url)
const lock = JSON.parse(readFileSync(file, "utf8"))
const packages = lock.packages

const os = /(?:^|[-/])(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?:-|$)/
const cpu = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?:-|$)/
const libc = /-(gnu|musl)(?:eabihf)?$/

const isLocked = (from, name) => {
  for (let at = from; ; at = at.slice(0, at.lastIndexOf("node_modules/")).replace(/\/$/, "")) {
    if (packages[`${at === "" ? "" : `${at}/`}node_modules/${name}`] !== undefined) return true
    if (at === "") return false
  }
}

const entry = (name, version, parent) => {
  const [system, processor, c] = [os, cpu, libc].map((pattern) => pattern.exec(name)?.[1])
  if (system === undefined || processor === undefined) throw new Error(`What platform is ${name} for?`)
  return {
    version,
    cpu: [processor],
    ...(parent.dev ? { dev: true } : {}),
    ...(system === "linux" && c !== undefined ? { libc: [c === "musl" ? "musl" : "glibc"] } : {}),
    optional: true,
    os: [system],
    ...(parent.peer ? { peer: true } : {})
  }
}

const added = []
for (const [path, parent] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (isLocked(path, name)) continue
    packages[`node_modules/${name}`] = entry(name, version, parent)
    added.push(name)
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en")))
if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? "package-lock.json has every platform." : `Added ${added.join(", ")}.`)
