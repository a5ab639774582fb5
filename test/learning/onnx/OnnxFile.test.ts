import { Either } from "effect"
import fc from "fast-check"
import protobuf from "protobufjs/light.js"
import { describe, expect, it } from "vitest"
import { OnnxUnreadable } from "../../../src/learning/errors.ts"
import * as OnnxFile from "../../../src/learning/onnx/OnnxFile.ts"
import { ModelType } from "../../../src/learning/onnx/OnnxProto.ts"
import {
  bytesPerElement,
  type ElementType,
  elementCodes,
  tensor,
  valuesOf
} from "../../../src/learning/onnx/OnnxTensor.ts"

const name = fc.string({ maxLength: 8 })
const float32 = fc.float({ noNaN: true })
const small = fc.integer({ min: -1_000_000, max: 1_000_000 })
const dims = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })

const anyTensor = fc
  .tuple(name, fc.constantFrom(...(Object.keys(elementCodes) as Array<ElementType>)), dims)
  .chain(([of, elementType, sizes]) => {
    const bytes = sizes.reduce((product, size) => product * size, bytesPerElement(elementType))
    return fc
      .uint8Array({ minLength: bytes, maxLength: bytes })
      .map((raw) => ({ name: of, elementType, dims: sizes, raw: new Uint8Array(raw) }))
  })

const value: fc.Arbitrary<OnnxFile.ValueInfoProto> = fc.record({
  name,
  elementType: fc.constantFrom<ElementType>("float", "int64", "bool"),
  dims: fc.option(fc.array(fc.oneof(fc.nat(), name, fc.constant(null)), { maxLength: 3 }))
})

const { graph: anyGraph } = fc.letrec<{ graph: OnnxFile.GraphProto; attribute: OnnxFile.AttributeProto }>(
  (tie) => ({
    attribute: fc.oneof(
      { depthSize: "small" },
      fc.record({ name, type: fc.constant("float" as const), value: float32 }),
      fc.record({ name, type: fc.constant("int" as const), value: small }),
      fc.record({
        name,
        type: fc.constant("string" as const),
        value: fc.fullUnicodeString({ maxLength: 6 })
      }),
      fc.record({ name, type: fc.constant("tensor" as const), value: anyTensor }),
      fc.record({ name, type: fc.constant("floats" as const), value: fc.array(float32, { maxLength: 4 }) }),
      fc.record({ name, type: fc.constant("ints" as const), value: fc.array(small, { maxLength: 4 }) }),
      fc.record({ name, type: fc.constant("strings" as const), value: fc.array(name, { maxLength: 3 }) }),
      fc.record({ name, type: fc.constant("graph" as const), value: tie("graph") })
    ),
    graph: fc.record({
      name,
      nodes: fc.array(
        fc.record({
          name,
          op: name,
          domain: name,
          inputs: fc.array(name, { maxLength: 3 }),
          outputs: fc.array(name, { maxLength: 3 }),
          attributes: fc.array(tie("attribute"), { maxLength: 2 })
        }),
        { maxLength: 2, depthIdentifier: "graph" }
      ),
      initializers: fc.array(anyTensor, { maxLength: 2 }),
      inputs: fc.array(value, { maxLength: 2 }),
      outputs: fc.array(value, { maxLength: 2 })
    })
  })
)

const anyModel: fc.Arbitrary<OnnxFile.ModelProto> = fc.record({
  irVersion: fc.integer({ min: 1, max: 20 }),
  opsets: fc.array(fc.record({ domain: name, version: fc.nat() }), { minLength: 1, maxLength: 2 }),
  producer: fc.record({ name, version: name }),
  graph: anyGraph,
  metadata: fc
    .array(fc.tuple(name, fc.fullUnicodeString()), { maxLength: 4 })
    .map((entries) => new Map(entries))
})

const model: OnnxFile.ModelProto = {
  irVersion: 8,
  opsets: [{ domain: "", version: 18 }],
  producer: { name: "conclave", version: "" },
  graph: {
    name: "g",
    nodes: [{ name: "add", op: "Add", domain: "", inputs: ["x", "w"], outputs: ["y"], attributes: [] }],
    initializers: [tensor("w", "float", [2], [1, -2.5])],
    inputs: [{ name: "x", elementType: "float", dims: ["N", 2] }],
    outputs: [{ name: "y", elementType: "float", dims: ["N", 2] }]
  },
  metadata: new Map([
    ["b", "2"],
    ["a", "1"]
  ])
}

const reasonOf = (bytes: Uint8Array, options?: OnnxFile.DecodeOptions): string =>
  Either.match(OnnxFile.decode(bytes, options), {
    onLeft: (error) => (error instanceof OnnxUnreadable ? error.message : expect.fail("another error")),
    onRight: () => expect.fail("it was read")
  })

/** A model written by hand as protobuf, for what the encoder never writes. */
const written = (fields: Record<string, unknown>): Uint8Array =>
  ModelType.encode({ irVersion: 8, opsetImport: [{ version: 18 }], graph: {}, ...fields }).finish()

describe("OnnxFile", () => {
  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(anyModel, (any) => {
        const bytes = OnnxFile.encode(any)
        expect(OnnxFile.decode(bytes)).toEqual(Either.right(any))
        expect(OnnxFile.decode(Buffer.from(bytes))).toEqual(Either.right(any))
      })
    )
  })

  it("writes what it read as the same bytes", () => {
    fc.assert(
      fc.property(anyModel, (any) => {
        const bytes = OnnxFile.encode(any)
        const again = OnnxFile.encode(Either.getOrThrow(OnnxFile.decode(bytes)))
        expect(Buffer.compare(again, bytes)).toBe(0)
      })
    )
  })

  it("writes metadata in one order, however it was given", () => {
    const turned = { ...model, metadata: new Map([...model.metadata].reverse()) }
    expect(OnnxFile.encode(turned)).toEqual(OnnxFile.encode(model))
    expect(OnnxFile.encode({ ...model, metadata: new Map([["a", "2"]]) })).not.toEqual(OnnxFile.encode(model))
  })

  it("keeps a metadata key that would poison a plain object", () => {
    const bytes = OnnxFile.encode({ ...model, metadata: new Map([["__proto__", "x"]]) })
    expect(Either.getOrThrow(OnnxFile.decode(bytes)).metadata.get("__proto__")).toBe("x")
  })

  it("reads tensors that keep their elements typed instead of raw", () => {
    const initializer = [
      { name: "f", dims: [2], dataType: 1, floatData: [1.5, -2] },
      { name: "l", dims: [3], dataType: 7, int64Data: [1, -1, { low: 1, high: 0x20_0000 }] },
      { name: "b", dims: [2], dataType: 9, int32Data: [1, 0] },
      { name: "d", dims: [], dataType: 11, doubleData: [0.1] }
    ]
    const tensors = Either.getOrThrow(OnnxFile.decode(written({ graph: { initializer } }))).graph.initializers
    expect(tensors.map((one) => [...valuesOf(one)])).toEqual([[1.5, -2], [1, -1, 2 ** 53], [1, 0], [0.1]])
    // Beyond 2^53 the bytes keep what a number cannot.
    expect(tensors[1]?.raw.slice(16)).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0x20, 0))
  })

  it("reads no other error than its own out of random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        Either.match(OnnxFile.decode(bytes), {
          onLeft: (error) => expect(error).toBeInstanceOf(OnnxUnreadable),
          onRight: (read) => expect(read.opsets.length).toBeGreaterThan(0)
        })
      }),
      { numRuns: 2_000 }
    )
  })

  it("reads no other error than its own out of damaged models", () => {
    let refused = 0
    fc.assert(
      fc.property(
        anyModel,
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), { maxLength: 4 }),
        (any, cut, flips) => {
          const bytes = OnnxFile.encode(any)
          for (const [at, bit] of flips)
            bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit)
          const length = cut % 3 === 0 ? cut % bytes.length : bytes.length
          const read = OnnxFile.decode(bytes.subarray(0, length))
          if (Either.isLeft(read)) {
            refused++
            expect(read.left).toBeInstanceOf(OnnxUnreadable)
          } else OnnxFile.encode(read.right)
        }
      ),
      { numRuns: 2_000 }
    )
    expect(refused).toBeGreaterThan(100)
  })

  it("refuses every truncation of a model", () => {
    const bytes = OnnxFile.encode({ ...model, metadata: new Map() })
    // Ending between two fields leaves a sound message; then what is missing has to be missed.
    for (let length = 0; length < bytes.length; length++) reasonOf(bytes.subarray(0, length))
  })

  it("refuses by name what it cannot represent", () => {
    expect(reasonOf(written({ functions: [Uint8Array.of(1)] }))).toContain("ModelProto.functions")
    expect(reasonOf(written({ graph: { sparseInitializer: [Uint8Array.of(1)] } }))).toContain(
      "sparseInitializer"
    )
    const external = { name: "w", dims: [1], dataType: 1, externalData: [Uint8Array.of(1)] }
    expect(reasonOf(written({ graph: { initializer: [external] } }))).toContain("externalData")
    const outside = { name: "w", dims: [1], dataType: 1, dataLocation: 1 }
    expect(reasonOf(written({ graph: { initializer: [outside] } }))).toContain("outside the file")
    const sequence = { name: "s", type: { sequenceType: Uint8Array.of(1) } }
    expect(reasonOf(written({ graph: { input: [sequence] } }))).toContain("sequenceType")
    const attribute = { name: "a", type: 2, i: { low: -1, high: 0x7fff_ffff } }
    expect(reasonOf(written({ graph: { node: [{ attribute: [attribute] }] } }))).toContain(
      '"a" is beyond 2^53'
    )
    expect(reasonOf(written({ graph: undefined }))).toContain("no graph")
  })

  it("refuses a tensor whose bytes do not fill its shape", () => {
    const of = (initializer: Record<string, unknown>) =>
      reasonOf(written({ graph: { initializer: [initializer] } }))
    expect(of({ name: "w", dims: [3], dataType: 1, rawData: new Uint8Array(8) })).toContain('"w" has 8 bytes')
    expect(of({ name: "w", dims: [-1, -2], dataType: 1, rawData: new Uint8Array(8) })).toContain("negative")
    expect(of({ name: "w", dims: [2 ** 30, 2 ** 30], dataType: 1 })).toContain('"w" has 0 bytes')
    expect(of({ name: "w", dims: [1], dataType: 8 })).toContain("element type 8")
  })

  it("refuses to spend more than it is allowed", () => {
    // Two bytes each, and an object each when decoded.
    const nodes = Buffer.alloc(2_000_000)
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a
    const writer = protobuf.Writer.create()
    const bytes = writer
      .uint32((7 << 3) | 2)
      .bytes(nodes)
      .finish()
    expect(reasonOf(bytes)).toContain("more than 4000000 values")
    expect(reasonOf(OnnxFile.encode(model), { valuesMax: 20 })).toContain("more than 20 values")
    expect(reasonOf(OnnxFile.encode(model), { bytesMax: 20 })).toContain("more than the 20 allowed")
  })

  it("refuses graphs inside graphs without end", () => {
    const nested = (depth: number): OnnxFile.GraphProto => ({
      ...model.graph,
      nodes: [
        {
          ...(model.graph.nodes[0] as OnnxFile.NodeProto),
          attributes: depth === 0 ? [] : [{ name: "body", type: "graph", value: nested(depth - 1) }]
        }
      ]
    })
    expect(Either.isRight(OnnxFile.decode(OnnxFile.encode({ ...model, graph: nested(10) })))).toBe(true)
    expect(reasonOf(OnnxFile.encode({ ...model, graph: nested(20) }))).toContain("nested deeper than 48")
  })

  it("refuses a field that is written with another wire type than its own", () => {
    // graph (7) as a number: protobufjs would take the number for a length.
    expect(reasonOf(Uint8Array.of((7 << 3) | 0, 0))).toContain("ModelProto.graph has a wrong type")
    expect(reasonOf(Uint8Array.of((7 << 3) | 3, (7 << 3) | 4))).toContain("group")
  })
})
