/** Calls between agents: `@effect/rpc` with the errors that any call may have. */
import { Rpc } from "@effect/rpc"
import { ParseResult, Schema, type SchemaAST } from "effect"
import { CallError } from "./errors.ts"

/** Whether values of the schema are their own encoding: it checks and brands, but transforms nothing. */
const isPlain = (ast: SchemaAST.AST, seen: ReadonlySet<SchemaAST.AST> = new Set()): boolean => {
  if (seen.has(ast)) return true
  const within = new Set(seen).add(ast)
  const plain = (inner: SchemaAST.AST) => isPlain(inner, within)
  switch (ast._tag) {
    case "Transformation":
    case "Declaration":
      return false
    case "Refinement":
      return plain(ast.from)
    case "Union":
      return ast.types.every(plain)
    case "Suspend":
      return plain(ast.f())
    case "TupleType":
      return (
        ast.elements.every((element) => plain(element.type)) && ast.rest.every((rest) => plain(rest.type))
      )
    case "TypeLiteral":
      return (
        ast.propertySignatures.every((signature) => plain(signature.type)) &&
        ast.indexSignatures.every((signature) => plain(signature.type))
      )
    default:
      return true
  }
}

/**
 * The same schema on the way in. On the way out a value that has the type already is sent as it is: checking it
 * costs the sender as much as reading it costs the receiver, who checks it anyway.
 */
const trustedOut = <S extends Schema.Schema.Any>(schema: S): S => {
  if (!isPlain(schema.ast)) return schema
  const decode = ParseResult.decodeUnknown(schema as unknown as Schema.Schema<unknown>)
  return Schema.declare([], {
    decode: () => (input, options) => decode(input, options),
    encode: () => (input) => ParseResult.succeed(input)
  }) as unknown as S
}

/** A call answered once. */
export const call = <
  const Tag extends string,
  P extends Schema.Struct.Fields,
  S extends Schema.Schema.Any,
  E extends Schema.Schema.All = typeof Schema.Never
>(
  tag: Tag,
  options: { readonly payload: P; readonly success: S; readonly error?: E }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: trustedOut(options.success),
    error: Schema.Union(CallError, (options.error ?? Schema.Never) as E)
  })

/** A call answered by a stream. */
export const streamingCall = <
  const Tag extends string,
  P extends Schema.Struct.Fields,
  S extends Schema.Schema.Any,
  E extends Schema.Schema.All = typeof Schema.Never
>(
  tag: Tag,
  options: { readonly payload: P; readonly success: S; readonly error?: E }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: trustedOut(options.success),
    error: Schema.Union(CallError, (options.error ?? Schema.Never) as E),
    stream: true
  })
