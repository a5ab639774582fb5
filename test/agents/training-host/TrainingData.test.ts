import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import {
  decodeTrainingData,
  encodeTrainingData,
  type TrainingData
} from "../../../src/agents/training-host/TrainingData.ts"
import { makeData } from "./jobs.ts"

const encoded = (data: TrainingData) => Buffer.concat(encodeTrainingData(data))
const refusal = (data: TrainingData) => Either.getOrThrow(Either.flip(decodeTrainingData(encoded(data))))

describe("the file of training data", () => {
  it("gives back what was written", () => {
    const data = makeData(50)
    expect(Either.getOrThrow(decodeTrainingData(encoded(data)))).toEqual(data)
    expect(encoded(data)).toEqual(encoded(makeData(50)))
  })

  it("is read wherever its bytes lie in memory", () => {
    const bytes = encoded(makeData(20))
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect(decodeTrainingData(shifted.subarray(3))).toEqual(decodeTrainingData(bytes))
  })

  it("is refused where something in it must not be trained on, and says where", () => {
    const data = makeData(50)
    const with_ = (values: Float32Array, at: number, value: number) =>
      values.map((old, i) => (i === at ? value : old))
    expect(refusal({ ...data, series: with_(data.series, 5, Number.NaN) })).toBe(
      "row 3 of its series holds NaN"
    )
    const { training, validation } = data
    expect(
      refusal({ ...data, training: { ...training, targets: with_(training.targets, 7, Infinity) } })
    ).toBe("row 8 of the targets of training holds Infinity")
    expect(
      refusal({ ...data, validation: { ...validation, weights: with_(validation.weights, 0, -1) } })
    ).toBe("row 1 of the weights of validation holds -1")
    for (const end of [4, 56, -1]) {
      expect(refusal({ ...data, training: { ...training, ends: training.ends.map(() => end) } })).toBe(
        `row 1 of the ends of training holds ${end}`
      )
    }
  })

  it("is refused, and never thrown at, whatever the bytes are", () => {
    const bytes = encoded(makeData(20))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, length) => {
        const damaged = Uint8Array.from(bytes)
        damaged[at] = value
        expect(Either.isEither(decodeTrainingData(damaged.subarray(0, length)))).toBe(true)
        if (length < bytes.length)
          expect(Either.isLeft(decodeTrainingData(bytes.subarray(0, length)))).toBe(true)
      })
    )
  })
})
