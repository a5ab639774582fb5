import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { rocArea } from "../../../src/learning/evaluation/RocArea.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const area = (scores: ArrayLike<number>, labels: ArrayLike<number>) =>
  Either.getOrThrow(rocArea(scores, labels))

/** Few distinct scores, so that there are ties, and both classes. */
const outcomes = fc
  .array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: 0, max: 1 })), { maxLength: 40 })
  .map((drawn) => [...drawn, [0, 0] as const, [1, 1] as const])

describe("rocArea", () => {
  it("is the share of pairs in the right order, ties half, to the last bit", () => {
    fc.assert(
      fc.property(outcomes, (drawn) => {
        const positives = drawn.filter(([, label]) => label === 1)
        const negatives = drawn.filter(([, label]) => label === 0)
        let doubled = 0
        for (const [p] of positives) for (const [n] of negatives) doubled += p > n ? 2 : p === n ? 1 : 0
        const expected = doubled / (2 * positives.length * negatives.length)
        expect(
          area(
            drawn.map(([score]) => score),
            drawn.map(([, label]) => label)
          )
        ).toBe(expected)
      })
    )
  })

  it("is 1 for a perfect order, 0 for its reverse, a half where all is tied", () => {
    expect(area([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])).toBe(1)
    expect(area([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1])).toBe(0)
    expect(area([0.3, 0.3, 0.3], [0, 1, 1])).toBe(0.5)
    expect(area([0, -0], [0, 1])).toBe(0.5)
  })

  it("knows nothing of the scale of scores, only of their order", () => {
    fc.assert(
      fc.property(outcomes, (drawn) => {
        const labels = drawn.map(([, label]) => label)
        const scores = drawn.map(([score]) => score)
        expect(
          area(
            scores.map((score) => Math.exp(score)),
            labels
          )
        ).toBe(area(scores, labels))
        expect(
          area(
            scores.map((score) => -score),
            labels
          )
        ).toBeCloseTo(1 - area(scores, labels), 12)
      })
    )
  })

  it("takes half a million outcomes in the time of a sort", () => {
    const random = keyedRandom("roc")
    const labels = Uint8Array.from({ length: 500_000 }, () => random.int(2))
    const scores = Float64Array.from(labels, (label) => label + random.normal())
    // Two normals one deviation apart: Phi(1 / sqrt 2).
    expect(area(scores, labels)).toBeCloseTo(0.7602, 2)
  })

  it("refuses one class alone, and what is no score or no label", () => {
    expect(refusalOf(rocArea([1, 2], [1, 1]))).toBe(
      "All 2 outcomes are of class 1: there is nothing to tell apart."
    )
    expect(refusalOf(rocArea([1, 2], [0, 0]))).toContain("of class 0")
    expect(refusalOf(rocArea([1, Number.NaN], [0, 1]))).toContain("score is NaN")
    expect(refusalOf(rocArea([1], [0, 1]))).toContain("score has 1 numbers, not 2")
    expect(refusalOf(rocArea([1, 2], [0, 2]))).toContain("label is 2")
    expect(refusalOf(rocArea([], []))).toContain("too few")
  })
})
