/**
 * ONNX model files: bytes to models and back.
 *
 * The subset of onnx.proto that the project writes and serves: dense tensors kept in the file, tensor-typed
 * inputs and outputs, nodes with int, float, string, tensor and graph attributes and lists of the first
 * three, metadata. What a model needs beyond it (functions, sparse or external tensors, sequences) is
 * refused by name; documentation strings and the like are dropped.
 *
 * What can go wrong: bytes from outside are anything. `decode` gives OnnxUnreadable and nothing else, and
 * spends no more than `bytesMax` and `valuesMax` allow.
 * Invariants: encoding is deterministic (fields in the order of their numbers, metadata sorted by key); for a
 * decoded model m, encode(decode(encode(m))) equals encode(m) byte for byte.
 */
import { Either } from "effect"
import type protobuf from "protobufjs/light.js"
import { Limits } from "../../protocols/wire/Limits.ts"
import { OnnxUnreadable } from "../errors.ts"
import { ModelType, refusedFields, scan } from "./OnnxProto.ts"
import {
  bytesPerElement,
  type ElementType,
  elementCodes,
  elementCount,
  elementTypeOf,
  type TensorProto,
  writeElement
} from "./OnnxTensor.ts"

/** A fixed size, the name of a size that the feed decides ("N"), or null where nothing is known. */
export type Dimension = number | string | null

export interface ValueInfoProto {
  readonly name: string
  readonly elementType: ElementType
  /** null where even the rank is left open. */
  readonly dims: ReadonlyArray<Dimension> | null
}

export type AttributeProto = { readonly name: string } & (
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "tensor"; readonly value: TensorProto }
  | { readonly type: "graph"; readonly value: GraphProto }
  | { readonly type: "floats"; readonly value: ReadonlyArray<number> }
  | { readonly type: "ints"; readonly value: ReadonlyArray<number> }
  | { readonly type: "strings"; readonly value: ReadonlyArray<string> }
)

export interface NodeProto {
  readonly name: string
  readonly op: string
  /** Empty for ai.onnx. */
  readonly domain: string
  /** An empty name is an optional input left out. */
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
  readonly attributes: ReadonlyArray<AttributeProto>
}

export interface GraphProto {
  readonly name: string
  readonly nodes: ReadonlyArray<NodeProto>
  readonly initializers: ReadonlyArray<TensorProto>
  readonly inputs: ReadonlyArray<ValueInfoProto>
  readonly outputs: ReadonlyArray<ValueInfoProto>
}

export interface ModelProto {
  readonly irVersion: number
  readonly opsets: ReadonlyArray<{ readonly domain: string; readonly version: number }>
  readonly producer: { readonly name: string; readonly version: string }
  readonly graph: GraphProto
  readonly metadata: ReadonlyMap<string, string>
}

/** What the project writes: the oldest pair that has all it needs, so that the most runtimes take it. */
export const irVersion = 8
export const opsetVersion = 18
export const producerName = "conclave"

/** Values that one file may hold, as `scan` counts them, unless the caller says otherwise. */
export const valuesMaxDefault = 4_000_000

type Plain = Record<string, unknown>

const attributeCodes = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 }
const attributeFields = {
  float: "f",
  int: "i",
  string: "s",
  tensor: "t",
  graph: "g",
  floats: "floats",
  ints: "ints",
  strings: "strings"
}

/**
 * An empty string is the default of the wire format and is left out, so that it is written in one way only.
 */
const text = (value: string) => (value === "" ? undefined : value)

const tensorToPlain = (tensor: TensorProto): Plain => ({
  dims: tensor.dims,
  dataType: elementCodes[tensor.elementType],
  name: text(tensor.name),
  rawData: tensor.raw
})

const attributeToPlain = (attribute: AttributeProto): Plain => {
  const of = (): unknown => {
    switch (attribute.type) {
      case "string":
        return Buffer.from(attribute.value, "utf8")
      case "strings":
        return attribute.value.map((value) => Buffer.from(value, "utf8"))
      case "tensor":
        return tensorToPlain(attribute.value)
      case "graph":
        return graphToPlain(attribute.value)
      default:
        return attribute.value
    }
  }
  return {
    name: attribute.name,
    type: attributeCodes[attribute.type],
    [attributeFields[attribute.type]]: of()
  }
}

const valueToPlain = (value: ValueInfoProto): Plain => ({
  name: value.name,
  type: {
    tensorType: {
      elemType: elementCodes[value.elementType],
      shape: value.dims === null ? undefined : { dim: value.dims.map(dimensionToPlain) }
    }
  }
})

const dimensionToPlain = (dim: Dimension): Plain =>
  dim === null ? {} : typeof dim === "number" ? { dimValue: dim } : { dimParam: dim }

const graphToPlain = (graph: GraphProto): Plain => ({
  node: graph.nodes.map((node) => ({
    input: node.inputs,
    output: node.outputs,
    name: text(node.name),
    opType: node.op,
    attribute: node.attributes.map(attributeToPlain),
    domain: text(node.domain)
  })),
  name: graph.name,
  initializer: graph.initializers.map(tensorToPlain),
  input: graph.inputs.map(valueToPlain),
  output: graph.outputs.map(valueToPlain)
})

const byKey = (a: readonly [string, string], b: readonly [string, string]) =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0

/** The bytes of a model. Equal models give equal bytes. */
export const encode = (model: ModelProto): Uint8Array => {
  const plain: Plain = {
    irVersion: model.irVersion,
    producerName: text(model.producer.name),
    producerVersion: text(model.producer.version),
    graph: graphToPlain(model.graph),
    opsetImport: model.opsets.map((opset) => ({ domain: text(opset.domain), version: opset.version })),
    metadataProps: [...model.metadata].sort(byKey).map(([key, value]) => ({ key, value }))
  }
  const bytes = ModelType.encode(plain).finish()
  // protobufjs hands out a view of a pool; a copy belongs to the caller alone.
  return new Uint8Array(bytes)
}

/** What protobufjs gives for an int64. */
type Long = number | { readonly low: number; readonly high: number; readonly toNumber: () => number }

const refuse = (reason: string): never => {
  throw new Error(reason)
}

const integer = (value: Long, what: string): number => {
  const number = typeof value === "number" ? value : value.toNumber()
  return Number.isSafeInteger(number) ? number : refuse(`${what} is beyond 2^53`)
}

type Decoded = protobuf.Message & { readonly [field: string]: unknown }

const supported = (message: Decoded, type: keyof typeof refusedFields): void => {
  for (const field of refusedFields[type]) {
    // protobufjs gives every message all of its repeated fields, empty or not.
    const value = Object.hasOwn(message, field) ? message[field] : undefined
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue
    refuse(`it uses ${type}.${field}, which is not supported`)
  }
}

const messagesOf = (message: Decoded, field: string) => message[field] as ReadonlyArray<Decoded>
const stringOf = (message: Decoded, field: string) => message[field] as string
const utf8 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")

const decodeElementType = (code: number, name: string): ElementType =>
  elementTypeOf(code) ?? refuse(`"${name}" has the unsupported element type ${code}`)

const typedDataFields = ["floatData", "int32Data", "int64Data", "doubleData", "uint64Data"] as const

const typedDataField = (type: ElementType): (typeof typedDataFields)[number] => {
  switch (type) {
    case "float":
      return "floatData"
    case "double":
      return "doubleData"
    case "int64":
      return "int64Data"
    case "uint32":
    case "uint64":
      return "uint64Data"
    default:
      return "int32Data"
  }
}

const rawFromTypedData = (message: Decoded, type: ElementType): Uint8Array => {
  const values = message[typedDataField(type)] as ReadonlyArray<Long>
  const size = bytesPerElement(type)
  const raw = new Uint8Array(values.length * size)
  const view = new DataView(raw.buffer)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as Long
    if (typeof value === "number") writeElement(view, i * size, type, value)
    else {
      view.setUint32(i * size, value.low, true)
      if (size === 8) view.setUint32(i * size + 4, value.high, true)
    }
  }
  return raw
}

const decodeTensor = (message: Decoded): TensorProto => {
  supported(message, "TensorProto")
  const name = stringOf(message, "name")
  if (message.dataLocation !== 0) refuse(`the tensor "${name}" is kept outside the file`)
  const elementType = decodeElementType(message.dataType as number, name)
  const dims = (message.dims as ReadonlyArray<Long>).map((dim) => integer(dim, `a size of "${name}"`))
  if (dims.some((dim) => dim < 0)) refuse(`the tensor "${name}" has a negative size`)
  const raw = Object.hasOwn(message, "rawData")
    ? new Uint8Array(message.rawData as Uint8Array)
    : rawFromTypedData(message, elementType)
  if (elementCount(dims) * bytesPerElement(elementType) !== raw.length) {
    refuse(
      `the tensor "${name}" has ${raw.length} bytes for the shape [${dims.join(", ")}] of ${elementType}`
    )
  }
  return { name, elementType, dims, raw }
}

const decodeAttribute = (message: Decoded): AttributeProto => {
  supported(message, "AttributeProto")
  const name = stringOf(message, "name")
  const part = (field: string): Decoded =>
    (message[field] as Decoded | null) ?? refuse(`the attribute "${name}" lacks its value`)
  switch (message.type) {
    case attributeCodes.float:
      return { name, type: "float", value: message.f as number }
    case attributeCodes.int:
      return { name, type: "int", value: integer(message.i as Long, `the attribute "${name}"`) }
    case attributeCodes.string:
      // Left out, it is protobufjs's default for bytes: an empty array.
      return { name, type: "string", value: utf8(Uint8Array.from(message.s as Uint8Array)) }
    case attributeCodes.tensor:
      return { name, type: "tensor", value: decodeTensor(part("t")) }
    case attributeCodes.graph:
      return { name, type: "graph", value: decodeGraph(part("g")) }
    case attributeCodes.floats:
      return { name, type: "floats", value: [...(message.floats as ReadonlyArray<number>)] }
    case attributeCodes.ints:
      return {
        name,
        type: "ints",
        value: (message.ints as ReadonlyArray<Long>).map((value) => integer(value, `the attribute "${name}"`))
      }
    case attributeCodes.strings:
      return { name, type: "strings", value: (message.strings as ReadonlyArray<Uint8Array>).map(utf8) }
    default:
      return refuse(`the attribute "${name}" has the unsupported type ${String(message.type)}`)
  }
}

const decodeDimension = (message: Decoded): Dimension => {
  if (Object.hasOwn(message, "dimParam")) return stringOf(message, "dimParam")
  return Object.hasOwn(message, "dimValue") ? integer(message.dimValue as Long, "a dimension") : null
}

const decodeValue = (message: Decoded): ValueInfoProto => {
  const name = stringOf(message, "name")
  const type = message.type as Decoded | null
  if (type !== null) supported(type, "TypeProto")
  const tensorType = type?.tensorType as Decoded | null | undefined
  if (tensorType == null) return refuse(`the type of "${name}" is missing`)
  const shape = tensorType.shape as Decoded | null
  return {
    name,
    elementType: decodeElementType(tensorType.elemType as number, name),
    dims: shape === null ? null : messagesOf(shape, "dim").map(decodeDimension)
  }
}

const decodeGraph = (message: Decoded): GraphProto => {
  supported(message, "GraphProto")
  return {
    name: stringOf(message, "name"),
    nodes: messagesOf(message, "node").map((node) => ({
      name: stringOf(node, "name"),
      op: stringOf(node, "opType"),
      domain: stringOf(node, "domain"),
      inputs: [...(node.input as ReadonlyArray<string>)],
      outputs: [...(node.output as ReadonlyArray<string>)],
      attributes: messagesOf(node, "attribute").map(decodeAttribute)
    })),
    initializers: messagesOf(message, "initializer").map(decodeTensor),
    inputs: messagesOf(message, "input").map(decodeValue),
    outputs: messagesOf(message, "output").map(decodeValue)
  }
}

const decodeModel = (message: Decoded): ModelProto => {
  supported(message, "ModelProto")
  const graph = message.graph as Decoded | null
  if (graph === null) return refuse("it has no graph")
  const opsets = messagesOf(message, "opsetImport").map((opset) => ({
    domain: stringOf(opset, "domain"),
    version: integer(opset.version as Long, "an opset version")
  }))
  if (opsets.length === 0) refuse("it names no operator set")
  return {
    irVersion: integer(message.irVersion as Long, "the IR version"),
    opsets,
    producer: { name: stringOf(message, "producerName"), version: stringOf(message, "producerVersion") },
    graph: decodeGraph(graph),
    metadata: new Map(
      messagesOf(message, "metadataProps").map((p) => [stringOf(p, "key"), stringOf(p, "value")])
    )
  }
}

export interface DecodeOptions {
  readonly bytesMax?: number
  readonly valuesMax?: number
}

/**
 * Reads a model. It says nothing about whether a runtime can run it: shapes and operators are not checked.
 */
export const decode = (
  bytes: Uint8Array,
  options: DecodeOptions = {}
): Either.Either<ModelProto, OnnxUnreadable> => {
  const bytesMax = options.bytesMax ?? Limits.artefactBytesMax
  if (bytes.byteLength > bytesMax) {
    return Either.left(
      new OnnxUnreadable({ reason: `${bytes.byteLength} bytes are more than the ${bytesMax} allowed` })
    )
  }
  return Either.try({
    try: () => {
      // protobufjs reads a Buffer by other functions; one kind of bytes goes one way.
      const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      scan(plain, options.valuesMax ?? valuesMaxDefault)
      return decodeModel(ModelType.decode(plain) as Decoded)
    },
    // Whatever protobufjs throws on malformed bytes is about the bytes.
    catch: (cause) => new OnnxUnreadable({ reason: cause instanceof Error ? cause.message : String(cause) })
  })
}
