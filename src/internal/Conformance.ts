/**
 * Whether a value is, as it stands, what a Schema without transformations decodes to and encodes to. Then nothing has to be
 * copied. Answers no where it doesn't know: the Schema itself has the last word, and finds the issue.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as SchemaAST from "effect/SchemaAST"

export type Conforms = (value: unknown) => boolean

/** None for a Schema that changes values, or may look at more than the value. */
export const of = (ast: SchemaAST.AST): Conforms | undefined => {
  if (changesParsing.some((id) => id in ast.annotations)) return undefined
  switch (ast._tag) {
    case "StringKeyword":
      return Predicate.isString
    case "NumberKeyword":
      return Predicate.isNumber
    case "BooleanKeyword":
      return Predicate.isBoolean
    case "UndefinedKeyword":
      return Predicate.isUndefined
    case "UnknownKeyword":
    case "AnyKeyword":
    case "VoidKeyword":
      return () => true
    case "Literal":
      return (value) => value === ast.literal
    case "TypeLiteral":
      return ofStruct(ast)
    case "TupleType":
      return ofArray(ast)
    case "Union":
      return ofUnion(ast)
    case "Refinement":
      return ofRefinement(ast)
    default:
      return undefined
  }
}

const changesParsing: ReadonlyArray<symbol> = [
  SchemaAST.ParseOptionsAnnotationId,
  SchemaAST.DecodingFallbackAnnotationId,
  SchemaAST.ConcurrencyAnnotationId,
  SchemaAST.BatchingAnnotationId
]

const ofStruct = ({ indexSignatures, propertySignatures }: SchemaAST.TypeLiteral): Conforms | undefined => {
  if (indexSignatures.length > 0 || propertySignatures.length === 0) return undefined
  const names: Array<string> = []
  const checks: Array<Conforms> = []
  const optional: Array<boolean> = []
  for (const { annotations, isOptional, name, type } of propertySignatures) {
    const check = of(type)
    if (check === undefined || typeof name !== "string" || changesParsing.some((id) => id in annotations))
      return undefined
    names.push(name)
    checks.push(check)
    optional.push(isOptional)
  }
  return (value) => {
    if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false
    const fields = value as Record<string, unknown>
    let present = 0
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string
      if (!Object.hasOwn(fields, name)) {
        if (optional[i] === true) continue
        return false
      }
      if (!(checks[i] as Conforms)(fields[name])) return false
      present++
    }
    // What the Schema doesn't have would be left out.
    for (const _ in fields) present--
    return present === 0
  }
}

const ofArray = ({ elements, rest }: SchemaAST.TupleType): Conforms | undefined => {
  const [type, ...more] = rest
  if (elements.length > 0 || type === undefined || more.length > 0) return undefined
  const check = of(type.type)
  if (check === undefined) return undefined
  return (value) => {
    if (!Array.isArray(value) || Object.getPrototypeOf(value) !== Array.prototype) return false
    for (let i = 0; i < value.length; i++) {
      if (!check(value[i])) return false
    }
    return true
  }
}

/** The first member that takes a value decides what is left of it, so that at most one may take objects. */
const ofUnion = ({ types }: SchemaAST.Union): Conforms | undefined => {
  if (types.filter((type) => !isPrimitive(type)).length > 1) return undefined
  const checks = types.map(of)
  const known = checks.filter((check) => check !== undefined)
  return known.length === checks.length ? (value) => known.some((check) => check(value)) : undefined
}

const isPrimitive = (ast: SchemaAST.AST): boolean =>
  ast._tag === "StringKeyword" ||
  ast._tag === "NumberKeyword" ||
  ast._tag === "BooleanKeyword" ||
  ast._tag === "UndefinedKeyword" ||
  ast._tag === "Literal" ||
  (ast._tag === "Union" && ast.types.every(isPrimitive))

const ofRefinement = (ast: SchemaAST.Refinement): Conforms | undefined => {
  const check = of(ast.from)
  if (check === undefined) return undefined
  return (value) => check(value) && Option.isNone(ast.filter(value, SchemaAST.defaultParseOption, ast))
}
