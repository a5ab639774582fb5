/**
 * The wire format of ONNX models: the messages of onnx.proto (https://github.com/onnx/onnx) that the
 * project reads and writes, by reflection, with their published field numbers, and a scan that bounds what
 * decoding them will cost.
 *
 * What can go wrong: a small file can ask for a large tree (an empty message is two bytes), nest without
 * end, or give a field another wire type than its own, which protobufjs would read as something else.
 * `scan` walks the bytes first, allocates nothing, and throws on all three; its callers turn that into
 * OnnxUnreadable.
 * Invariant: after a scan, protobufjs reads the same fields in the same places as the scan did.
 */
import protobuf from "protobufjs/light.js"

type Fields = Record<string, readonly [id: number, type: string, rule?: "repeated" | "packed"]>

/**
 * Fields whose presence changes what a model means, and which the project does not read: kept to be
 * refused.
 */
export const refusedFields = {
  ModelProto: ["trainingInfo", "functions"],
  GraphProto: ["sparseInitializer"],
  AttributeProto: ["tp", "typeProtos", "refAttrName", "sparseTensor", "sparseTensors", "tensors", "graphs"],
  TensorProto: ["segment", "stringData", "externalData"],
  TypeProto: ["sequenceType", "mapType", "sparseTensorType", "optionalType"]
} as const

const messages: Record<string, Fields> = {
  ModelProto: {
    irVersion: [1, "int64"],
    producerName: [2, "string"],
    producerVersion: [3, "string"],
    graph: [7, "GraphProto"],
    opsetImport: [8, "OperatorSetIdProto", "repeated"],
    metadataProps: [14, "StringStringEntryProto", "repeated"],
    trainingInfo: [20, "bytes", "repeated"],
    functions: [25, "bytes", "repeated"]
  },
  OperatorSetIdProto: { domain: [1, "string"], version: [2, "int64"] },
  StringStringEntryProto: { key: [1, "string"], value: [2, "string"] },
  GraphProto: {
    node: [1, "NodeProto", "repeated"],
    name: [2, "string"],
    initializer: [5, "TensorProto", "repeated"],
    input: [11, "ValueInfoProto", "repeated"],
    output: [12, "ValueInfoProto", "repeated"],
    valueInfo: [13, "ValueInfoProto", "repeated"],
    sparseInitializer: [15, "bytes", "repeated"]
  },
  NodeProto: {
    input: [1, "string", "repeated"],
    output: [2, "string", "repeated"],
    name: [3, "string"],
    opType: [4, "string"],
    attribute: [5, "AttributeProto", "repeated"],
    domain: [7, "string"]
  },
  AttributeProto: {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "int64"],
    s: [4, "bytes"],
    t: [5, "TensorProto"],
    g: [6, "GraphProto"],
    floats: [7, "float", "repeated"],
    ints: [8, "int64", "repeated"],
    strings: [9, "bytes", "repeated"],
    tensors: [10, "bytes", "repeated"],
    graphs: [11, "bytes", "repeated"],
    tp: [14, "bytes"],
    typeProtos: [15, "bytes", "repeated"],
    type: [20, "int32"],
    refAttrName: [21, "string"],
    sparseTensor: [22, "bytes"],
    sparseTensors: [23, "bytes", "repeated"]
  },
  TensorProto: {
    dims: [1, "int64", "repeated"],
    dataType: [2, "int32"],
    segment: [3, "bytes"],
    floatData: [4, "float", "packed"],
    int32Data: [5, "int32", "packed"],
    stringData: [6, "bytes", "repeated"],
    int64Data: [7, "int64", "packed"],
    name: [8, "string"],
    rawData: [9, "bytes"],
    doubleData: [10, "double", "packed"],
    uint64Data: [11, "uint64", "packed"],
    externalData: [13, "bytes", "repeated"],
    dataLocation: [14, "int32"]
  },
  ValueInfoProto: { name: [1, "string"], type: [2, "TypeProto"] },
  TypeProto: {
    tensorType: [1, "TypeProtoTensor"],
    sequenceType: [4, "bytes"],
    mapType: [5, "bytes"],
    sparseTensorType: [8, "bytes"],
    optionalType: [9, "bytes"]
  },
  TypeProtoTensor: { elemType: [1, "int32"], shape: [2, "TensorShapeProto"] },
  TensorShapeProto: { dim: [1, "Dimension", "repeated"] },
  Dimension: { dimValue: [1, "int64"], dimParam: [2, "string"] }
}

const root = new protobuf.Root()
for (const [name, fields] of Object.entries(messages)) {
  const type = new protobuf.Type(name)
  for (const [field, [id, of, rule]] of Object.entries(fields)) {
    type.add(
      rule === undefined
        ? new protobuf.Field(field, id, of)
        : new protobuf.Field(field, id, of, "repeated", { packed: rule === "packed" })
    )
  }
  root.add(type)
}
root.resolveAll()

export const ModelType = root.lookupType("ModelProto")

/** Messages inside one another; a subgraph costs three levels. */
const depthMax = 48

/** A decoded message takes about as much memory as this many numbers. */
const valuesPerMessage = 10

const varint = 0
const lengthDelimited = 2

const wireTypes = new Map([
  ["int32", varint],
  ["int64", varint],
  ["uint64", varint],
  ["double", 1],
  ["string", lengthDelimited],
  ["bytes", lengthDelimited],
  ["float", 5]
])

/**
 * Walks a serialised ModelProto without building it. Throws an Error that says why it must not be decoded:
 * malformed, nested too deep, a field of another type than onnx.proto gives it, or more than `valuesMax`
 * values: fields and elements count one each, a message `valuesPerMessage`, raw tensor bytes nothing.
 */
export const scan = (bytes: Uint8Array, valuesMax: number): void => {
  const reader = protobuf.Reader.create(bytes)
  let values = 0
  const spend = (count: number) => {
    values += count
    if (values > valuesMax) throw new Error(`it holds more than ${valuesMax} values`)
  }
  const walk = (type: protobuf.Type, end: number, depth: number): void => {
    if (depth > depthMax) throw new Error(`it is nested deeper than ${depthMax} messages`)
    while (reader.pos < end) {
      const tag = reader.uint32()
      const wireType = tag & 7
      if (wireType === 3 || wireType === 4) throw new Error("it holds a protobuf group")
      const field = type.fieldsById[tag >>> 3]
      spend(1)
      if (field === undefined) {
        reader.skipType(wireType)
        continue
      }
      const own = wireTypes.get(field.type) ?? lengthDelimited
      const packed = wireType === lengthDelimited && own !== lengthDelimited && field.repeated
      if (wireType !== own && !packed)
        throw new Error(`the field ${type.name}.${field.name} has a wrong type`)
      if (wireType !== lengthDelimited) {
        reader.skipType(wireType)
        continue
      }
      const length = reader.uint32()
      if (length > end - reader.pos) throw new Error("it ends in the middle of a field")
      if (packed) spend(own === varint ? length : length / (own === 1 ? 8 : 4))
      if (field.resolvedType instanceof protobuf.Type) {
        spend(valuesPerMessage)
        walk(field.resolvedType, reader.pos + length, depth + 1)
      } else reader.skip(length)
    }
    if (reader.pos !== end) throw new Error("a field runs past the end of its message")
  }
  walk(ModelType, bytes.length, 0)
}
