/**
 * Configuration: a schema, the YAML that holds every default, and what overrides it, each the one before: files of
 * the user's, the environment, flags. Every key can be set in each of them; what is not a key,
 * and what does not decode, is refused with its path, the reason and where it came from.
 */
import { Either, ParseResult, Redacted, Schema, SchemaAST } from "effect"
import { parse as parseYaml, stringify as stringifyYaml } from "yaml"
import { ConfigurationInvalid } from "./errors.ts"

/** Annotates a key with the name of an environment variable that users expect for it. */
export const envNameId: unique symbol = Symbol.for("conclave/Configuration/envName")

/** `key.pipe(env("NATS_URL"))`: the key has this environment variable beside the derived one. */
export const env =
  (name: string) =>
  <S extends Schema.Annotable.All>(schema: S): Schema.Annotable.Self<S> =>
    schema.annotations({ [envNameId]: name })

/** A key of the configuration. */
export interface Key {
  /** `deepLearning.refitEveryBars` */
  readonly path: string
  /** `--deep-learning.refit-every-bars` */
  readonly flag: string
  /** `CONCLAVE_DEEP_LEARNING_REFIT_EVERY_BARS`, then the names users expect. */
  readonly environment: ReadonlyArray<string>
  readonly kind: "text" | "number" | "boolean" | "list"
  readonly description: string
  readonly isSecret: boolean
}

/** YAML, and what to call it when something in it is wrong. */
export interface Document {
  readonly name: string
  readonly text: string
}

export interface Sources {
  /** The defaults first, then whatever overrides them. */
  readonly documents: ReadonlyArray<Document>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** By flag or path. */
  readonly flags: ReadonlyArray<readonly [flag: string, value: string]>
}

export interface Loaded<A> {
  readonly value: A
  /** Where each path got its value. */
  readonly origins: ReadonlyMap<string, string>
}

type Tree = { [key: string]: unknown }

/** Without a prototype: a key that names one is a key like any other, and refused as unknown. */
const emptyTree = (): Tree => Object.create(null) as Tree

const words = (name: string) => name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase()
const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The AST below filters, transformations and optionality: what is written in YAML. */
const encodedAst = (ast: SchemaAST.AST): SchemaAST.AST => {
  switch (ast._tag) {
    case "Refinement":
    case "Transformation":
      return encodedAst(ast.from)
    default:
      return ast
  }
}

const annotation = (ast: SchemaAST.AST, id: symbol): string | undefined => {
  const own = ast.annotations[id]
  if (typeof own === "string") return own
  return ast._tag === "Refinement" || ast._tag === "Transformation" ? annotation(ast.from, id) : undefined
}

const kindOf = (ast: SchemaAST.AST): Key["kind"] => {
  const encoded = encodedAst(ast)
  switch (encoded._tag) {
    case "NumberKeyword":
      return "number"
    case "BooleanKeyword":
      return "boolean"
    case "TupleType":
      return "list"
    default:
      return "text"
  }
}

/** All keys of a schema of nested structs. */
export const keysOf = <A, I>(schema: Schema.Schema<A, I>): ReadonlyArray<Key> => {
  const keys: Array<Key> = []
  const visit = (ast: SchemaAST.AST, path: ReadonlyArray<string>) => {
    const encoded = encodedAst(ast)
    if (encoded._tag === "TypeLiteral") {
      for (const { name, type } of encoded.propertySignatures) visit(type, [...path, String(name)])
      return
    }
    const dashed = path.map(words)
    const derived = `CONCLAVE_${dashed.join("_").replaceAll("-", "_").toUpperCase()}`
    const expected = annotation(ast, envNameId)
    keys.push({
      path: path.join("."),
      flag: `--${dashed.join(".")}`,
      environment: expected === undefined ? [derived] : [derived, expected],
      kind: kindOf(ast),
      description: annotation(ast, SchemaAST.DescriptionAnnotationId) ?? "",
      isSecret: String(annotation(ast, SchemaAST.IdentifierAnnotationId)).startsWith("Redacted")
    })
  }
  visit(schema.ast, [])
  return keys
}

/** What a text from the environment or a flag means for a key. */
const readText = (key: Key, text: string): unknown => {
  switch (key.kind) {
    case "text":
      return text
    case "number": {
      const number = Number(text)
      return text.trim() === "" || Number.isNaN(number) ? text : number
    }
    case "boolean":
      return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text
    case "list":
      return text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
  }
}

const setAt = (tree: Tree, path: string, value: unknown) => {
  const parts = path.split(".")
  const last = parts.pop() as string
  let at = tree
  for (const part of parts) {
    if (!isTree(at[part])) at[part] = emptyTree()
    at = at[part] as Tree
  }
  at[last] = value
}

const invalid = (source: string, path: string, reason: string) =>
  new ConfigurationInvalid({ source, path, reason })

const readYaml = (source: Document): Either.Either<Tree, ConfigurationInvalid> => {
  try {
    const tree: unknown = parseYaml(source.text, { schema: "core", maxAliasCount: 0 }) ?? {}
    return isTree(tree)
      ? Either.right(tree)
      : Either.left(invalid(source.name, "", "it is no mapping of keys"))
  } catch (cause) {
    const [first] = String(cause instanceof Error ? cause.message : cause).split("\n")
    return Either.left(invalid(source.name, "", first ?? "it does not parse"))
  }
}

/** Copies a tree's leaves over another's, noting where they came from. */
const overlay = (target: Tree, tree: Tree, name: string, origins: Map<string, string>, prefix = ""): void => {
  for (const key of Object.keys(tree)) {
    const path = prefix === "" ? key : `${prefix}.${key}`
    const value = tree[key]
    if (isTree(value)) {
      if (!isTree(target[key])) target[key] = emptyTree()
      overlay(target[key] as Tree, value, name, origins, path)
    } else {
      target[key] = value
    }
    origins.set(path, name)
  }
}

/** The origin of a path, or of the nearest one above or below it. */
const originOf = (origins: ReadonlyMap<string, string>, path: string): string => {
  for (let at = path; at !== ""; at = at.includes(".") ? at.slice(0, at.lastIndexOf(".")) : "") {
    const origin = origins.get(at)
    if (origin !== undefined) return origin
  }
  return "the defaults"
}

/** Decodes the layers, or says what is wrong first. */
/** Where one of several things may stand, each says that it was expected: said together, that is one reason. */
const alternatives = (issues: ReadonlyArray<ParseResult.ArrayFormatterIssue>): string | undefined => {
  const [first] = issues
  if (first === undefined || issues.length < 2) return undefined
  const isOfFirst = (issue: ParseResult.ArrayFormatterIssue) => issue.path.join(".") === first.path.join(".")
  const parsed = issues.map(({ message }) => /^Expected (.+), actual (.+)$/.exec(message))
  if (!issues.every(isOfFirst)) return undefined
  const special = issues.find((_, i) => parsed[i] === null)
  if (special !== undefined) return special.message
  const expected = parsed.map((match) => (match?.[1] === '""' ? "nothing" : (match?.[1] as string)))
  return `Expected ${expected.slice(0, -1).join(", ")} or ${expected.at(-1)}, actual ${parsed[0]?.[2]}`
}

/** A variable that begins like those of a section and is none of its keys: a slip that would pass unseen. */
const unknownVariable = (
  keys: ReadonlyArray<Key>,
  environment: Sources["environment"]
): string | undefined => {
  const known = new Set(keys.flatMap((key) => key.environment))
  const sections = [...new Set(keys.map(({ path }) => words(path.split(".")[0] as string)))]
  const prefixes = sections.map((name) => `CONCLAVE_${name.replaceAll("-", "_").toUpperCase()}_`)
  return Object.keys(environment).find(
    (name) => !known.has(name) && prefixes.some((prefix) => name.startsWith(prefix))
  )
}

export const load = <A, I>(
  schema: Schema.Schema<A, I>,
  sources: Sources
): Either.Either<Loaded<A>, ConfigurationInvalid> =>
  Either.gen(function* () {
    const keys = keysOf(schema)
    const origins = new Map<string, string>()
    const tree = emptyTree()
    for (const document of sources.documents) overlay(tree, yield* readYaml(document), document.name, origins)
    const unknown = unknownVariable(keys, sources.environment)
    if (unknown !== undefined) {
      return yield* Either.left(invalid("the environment", unknown, "there is no such variable"))
    }
    for (const key of keys) {
      for (const name of key.environment) {
        const text = sources.environment[name]
        if (text === undefined || text === "") continue
        setAt(tree, key.path, readText(key, text))
        origins.set(key.path, `the environment variable ${name}`)
      }
    }
    const byName = new Map(keys.flatMap((key) => [[key.flag, key] as const, [`--${key.path}`, key] as const]))
    const lists = new Map<string, Array<unknown>>()
    for (const [flag, text] of sources.flags) {
      const key = byName.get(flag)
      if (key === undefined)
        return yield* Either.left(invalid("the command line", flag, "there is no such key"))
      let value = readText(key, text)
      if (key.kind === "list") {
        // A flag given several times adds up.
        value = [...(lists.get(key.path) ?? []), ...(value as Array<unknown>)]
        lists.set(key.path, value as Array<unknown>)
      }
      setAt(tree, key.path, value)
      origins.set(key.path, `the flag ${flag}`)
    }
    const decoded = Schema.decodeUnknownEither(schema, { onExcessProperty: "error", errors: "all" })(tree)
    if (Either.isLeft(decoded)) {
      const all = ParseResult.ArrayFormatter.formatErrorSync(decoded.left)
      // Of things that are told apart by their kind, those that were not meant complain of it.
      const meant = all.filter(({ path }) => path.at(-1) !== "kind")
      const issues = meant.length === 0 ? all : meant
      const [first] = issues
      const path = first?.path.join(".") ?? ""
      const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ""
      if (first?._tag === "Unexpected") {
        return yield* Either.left(invalid(originOf(origins, path), path, `there is no such key${more}`))
      }
      const reason = alternatives(issues) ?? `${first?.message ?? decoded.left.message}${more}`
      return yield* Either.left(invalid(originOf(origins, path), path, reason))
    }
    return { value: decoded.right, origins }
  })

/** The configuration as YAML, secrets hidden, each value with where it came from unless that is the defaults. */
export const print = <A>(loaded: Loaded<A>, defaultsName: string): string => {
  const lines: Array<string> = []
  const visit = (value: unknown, path: string, depth: number) => {
    const indent = "  ".repeat(depth)
    const name = path.split(".").at(-1)
    const plain = Redacted.isRedacted(value) ? hidden(value as Redacted.Redacted<string>) : value
    if (isTree(plain)) {
      if (path !== "") lines.push(`${"  ".repeat(depth - 1)}${name}:`)
      for (const key of Object.keys(plain)) visit(plain[key], path === "" ? key : `${path}.${key}`, depth + 1)
      return
    }
    const origin = originOf(loaded.origins, path)
    const comment = origin === defaultsName ? "" : `  # from ${origin}`
    const text = Array.isArray(plain) ? JSON.stringify(plain) : stringifyYaml(plain).trim()
    lines.push(`${indent.slice(2)}${name}: ${text}${comment}`)
  }
  const hidden = (secret: Redacted.Redacted<string>) => (Redacted.value(secret) === "" ? "" : "<redacted>")
  visit(loaded.value, "", 0)
  return `${lines.join("\n")}\n`
}
