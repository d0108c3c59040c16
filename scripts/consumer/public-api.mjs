/**
 * Writes exports.ts, which exports every value of every entry and the result of every function and class, so that the
 * compiler has to name their types in declarations. The list is made of the entries themselves: none can be forgotten.
 * Fails where a type that appears in the API has no name that a consumer could import, where one that a consumer writes
 * beside an entry's values has its name neither there nor in `effect-ipc`, or where an entry's declarations and its module
 * differ.
 */
import assert from "node:assert/strict"
import { realpathSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import manifest from "effect-ipc/package.json" with { type: "json" }
import ts from "typescript"

const folder = import.meta.dirname
const packageFolder = dirname(realpathSync(fileURLToPath(import.meta.resolve("effect-ipc/package.json"))))

const entries = Object.keys(manifest.exports)
  .filter((path) => path !== "./package.json")
  .map((path) => `effect-ipc${path.slice(1)}`)

const imports = entries.map((entry, index) => `import * as Entry${index} from "${entry}"`)
const file = join(folder, "exports.ts")
writeFileSync(file, imports.join("\n"))

const program = ts.createProgram([file], {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
  types: ["node"]
})
const checker = program.getTypeChecker()

const has = (symbol, flags) => (symbol.flags & flags) !== 0
const original = (symbol) => (has(symbol, ts.SymbolFlags.Alias) ? checker.getAliasedSymbol(symbol) : symbol)
const isTypeOnly = (symbol) => symbol.declarations?.some((node) => ts.isTypeOnlyImportOrExportDeclaration(node))

/** Every symbol that a consumer can name, by its name. */
const named = new Map()
/** The same, for each entry. */
const namedBy = entries.map(() => new Set())
const lines = []

const entryOf = (name) => Number(name.split(".")[0].slice("Entry".length))

const add = (name, symbol, typeOnly) => {
  if (!named.has(symbol)) named.set(symbol, name)
  if (namedBy[entryOf(name)].has(symbol)) return
  namedBy[entryOf(name)].add(symbol)
  if (has(symbol, ts.SymbolFlags.Namespace)) addExports(name, symbol)
  if (typeOnly || !has(symbol, ts.SymbolFlags.Value) || has(symbol, ts.SymbolFlags.ValueModule)) return
  const type = checker.getTypeOfSymbol(symbol)
  const id = lines.length
  lines.push(`export const value${id} = ${name}`)
  if (type.getConstructSignatures().length > 0) {
    lines.push(`export const made${id} = (...args: ConstructorParameters<typeof ${name}>) => new ${name}(...args)`)
  } else if (type.getCallSignatures().length > 0) {
    lines.push(`export const made${id} = (...args: Parameters<typeof ${name}>) => ${name}(...args)`)
  }
}

const addExports = (name, module) => {
  for (const member of checker.getExportsOfModule(module)) {
    if (has(member, ts.SymbolFlags.Prototype)) continue
    add(`${name}.${member.name}`, original(member), isTypeOnly(member))
  }
}

for (const [index, statement] of program.getSourceFile(file).statements.entries()) {
  const module = checker.getSymbolAtLocation(statement.moduleSpecifier)
  assert.ok(module, `${entries[index]} has no declarations`)
  addExports(`Entry${index}`, module)
  const declared = checker
    .getExportsOfModule(module)
    .filter((member) => !isTypeOnly(member) && has(original(member), ts.SymbolFlags.Value))
  const exported = Object.keys(await import(entries[index]))
  assert.deepEqual(exported.sort(), declared.map((member) => member.name).sort(), entries[index])
}

const unnameable = new Map()
const isOurs = (node) => node.getSourceFile().fileName.startsWith(packageFolder)

/** Whether a statement of one of the package's modules declares it: no parameter, no member of a type. */
const isStatement = (declaration) => {
  if (!isOurs(declaration) || ts.isSourceFile(declaration)) return false
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  return ts.isSourceFile(statement.parent) || ts.isModuleBlock(statement.parent)
}

const look = (node, place) => {
  // The base of a class is a constant of the compiler's, and a unique symbol as a key is for nobody to write.
  if (ts.isComputedPropertyName(node) || (ts.isHeritageClause(node) && ts.isClassDeclaration(node.parent))) return
  if (ts.isIdentifier(node)) {
    const found = checker.getSymbolAtLocation(node)
    const symbol = found && original(found)
    if (symbol?.declarations?.some(isStatement) && !named.has(symbol) && !unnameable.has(symbol)) {
      unnameable.set(symbol, `${symbol.name} in ${place}`)
      lookAt(symbol, place)
    }
  }
  ts.forEachChild(node, (child) => look(child, place))
}

const lookAt = (symbol, place) => {
  for (const declaration of symbol.declarations ?? []) {
    if (isOurs(declaration) && !ts.isSourceFile(declaration) && !ts.isModuleDeclaration(declaration)) {
      look(declaration, place)
    }
  }
}

for (const [symbol, name] of named) {
  const [entry, ...path] = name.split(".")
  lookAt(symbol, `${entries[Number(entry.slice("Entry".length))]}: ${path.join(".")}`)
}
assert.deepEqual([...unnameable.values()], [], "types that no entry exports")

/** What the types of an entry's exports name, but for what they are made from: `extends`, `Omit` and `Pick`. */
const references = (node, found) => {
  if (ts.isHeritageClause(node)) return
  if (ts.isTypeReferenceNode(node)) {
    if (node.typeName.getText() === "Omit" || node.typeName.getText() === "Pick") return
    const symbol = checker.getSymbolAtLocation(node.typeName)
    if (symbol) found.add(original(symbol))
  }
  ts.forEachChild(node, (child) => references(child, found))
}

const elsewhere = namedBy.flatMap((symbols, index) => {
  const found = new Set()
  for (const symbol of symbols) {
    for (const declaration of symbol.declarations ?? []) {
      if (isOurs(declaration) && !ts.isSourceFile(declaration)) references(declaration, found)
    }
  }
  return [...found]
    .filter((symbol) => symbol.declarations?.some(isStatement))
    .filter((symbol) => !symbols.has(symbol) && !namedBy[0].has(symbol))
    .map((symbol) => `${symbol.name} of ${named.get(symbol)} in ${entries[index]}`)
})
assert.deepEqual(
  elsewhere,
  [],
  "types that are to be named beside the values of one entry, and are exported by another"
)

writeFileSync(file, [...imports, ...lines, ""].join("\n"))
console.log(`${named.size} names, ${lines.length} values and results in ${entries.length} entries`)
