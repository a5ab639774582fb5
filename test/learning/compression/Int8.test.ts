import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { sessionOptions } from "../../../src/agents/training-host/onnxruntime.ts"
import { CompressionInvalid } from "../../../src/learning/compression/errors.ts"
import { quantiseColumns, uint8Scale } from "../../../src/learning/compression/Int8.ts"
import { encode, irVersion, opsetVersion } from "../../../src/learning/onnx/OnnxFile.ts"

const matrix = fc.integer({ min: 1, max: 6 }).chain((columns) =>
  fc
    .array(
      fc.array(fc.float({ noNaN: true, min: -1_000, max: 1_000 }), {
        minLength: columns,
        maxLength: columns
      }),
      {
        minLength: 1,
        maxLength: 6
      }
    )
    .map((rows) => ({ columns, values: rows.flat() }))
)

describe("a matrix of eight bits", () => {
  it("has every weight to half a scale of its column, and zeros exactly", () => {
    fc.assert(
      fc.property(matrix, fc.constantFrom(7 as const, 8 as const), fc.boolean(), (given, bits, perColumn) => {
        const { columns, values } = given
        const { codes, scales } = quantiseColumns(values, columns, { bits, perColumn })
        expect(scales.length).toBe(perColumn ? columns : 1)
        values.forEach((value, i) => {
          const scale = scales[perColumn ? i % columns : 0] as number
          const code = codes[i] as number
          expect(Math.abs(code)).toBeLessThanOrEqual(bits === 8 ? 127 : 63)
          // A scale is itself rounded to float32: the greatest code may be off by that much more.
          expect(Math.abs(value - scale * code)).toBeLessThanOrEqual(scale * (0.5 + 127 * 2 ** -23))
          if (value === 0) expect(code).toBe(0)
        })
      })
    )
  })

  it("keeps the digits of one column whatever stands in another", () => {
    const { codes, scales } = quantiseColumns([0.5, 1_000, -1, 2], 2)
    expect([...codes]).toEqual([64, 127, -127, 0])
    expect(scales[0]).toBe(Math.fround(1 / 127))
    const { codes: joint } = quantiseColumns([0.5, 1_000, -1, 2], 2, { perColumn: false })
    expect([...joint]).toEqual([0, 127, 0, 0])
  })

  it("cannot be made of what is no number", () => {
    expect(() => quantiseColumns([1, Number.NaN], 1)).toThrow(CompressionInvalid)
    expect(() => quantiseColumns([Number.POSITIVE_INFINITY], 1)).toThrow(/not finite/)
  })
})

describe("the scale of an activation", () => {
  const range = fc
    .tuple(
      fc.float({ noNaN: true, min: -1_000, max: 1_000 }),
      fc.float({ noNaN: true, min: -1_000, max: 1_000 })
    )
    .map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }))

  it("meets every value of its range to half of it, and 0 exactly", () => {
    fc.assert(
      fc.property(range, fc.integer({ min: 0, max: 1_000 }), ({ high, low }, thousandths) => {
        // Of subnormal ranges float32 has no scale.
        fc.pre(high - low > 1e-30 || high === low)
        const { scale, zeroPoint } = uint8Scale({ low, high })
        expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true)
        const value = low + (thousandths / 1_000) * (high - low)
        const code = Math.max(0, Math.min(255, Math.round(value / scale) + zeroPoint))
        // The ends move by up to half a scale more, because 0 has a code of its own.
        expect(Math.abs(value - scale * (code - zeroPoint))).toBeLessThanOrEqual(scale * 1.001)
      })
    )
  })

  it("is the one that DynamicQuantizeLinear takes for the same range", async () => {
    const codes = ["codes", "scale", "point"]
    const session = await InferenceSession.create(
      encode({
        irVersion,
        opsets: [{ domain: "", version: opsetVersion }],
        producer: { name: "test", version: "" },
        graph: {
          name: "scale",
          nodes: [
            {
              name: "only",
              op: "DynamicQuantizeLinear",
              domain: "",
              inputs: ["x"],
              outputs: codes,
              attributes: []
            }
          ],
          initializers: [],
          inputs: [{ name: "x", elementType: "float", dims: [2] }],
          outputs: codes.map((name) => ({
            name,
            elementType: name === "scale" ? "float" : "uint8",
            dims: null
          }))
        },
        metadata: new Map()
      }),
      sessionOptions
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -999, max: 999 }),
        fc.integer({ min: -999, max: 999 }),
        async (a, b) => {
          const [low, high] = [Math.min(a, b) / 7, Math.max(a, b) / 7]
          const results = await session.run({ x: new Tensor("float32", Float32Array.of(low, high), [2]) })
          const expected = uint8Scale({ low: Math.fround(low), high: Math.fround(high) })
          expect((results.scale as Tensor).data[0]).toBeCloseTo(expected.scale, 6)
          // A tie may be rounded either way.
          expect(
            Math.abs(Number((results.point as Tensor).data[0]) - expected.zeroPoint)
          ).toBeLessThanOrEqual(Math.abs(((-Math.min(0, low) / expected.scale) % 1) - 0.5) < 1e-4 ? 1 : 0)
        }
      )
    )
    await session.release()
  })

  it("is something for a range of nothing, and refuses what is no range", () => {
    expect(uint8Scale({ low: 0, high: 0 })).toEqual({ scale: 1, zeroPoint: 0 })
    expect(() => uint8Scale({ low: 1, high: 0 })).toThrow(CompressionInvalid)
    expect(() => uint8Scale({ low: Number.NaN, high: 1 })).toThrow(CompressionInvalid)
  })
})
