import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Metrics from "../../../src/learning/evaluation/ClassMetrics.ts"
import { refusalOf } from "./refusals.ts"

const value = <A, E>(result: Either.Either<A, E>): A => Either.getOrThrow(result)

/** Outcomes with a distribution over three classes each. */
const forecasts = fc
  .array(
    fc.tuple(
      fc.array(fc.double({ noNaN: true, min: 0.01, max: 1 }), { minLength: 3, maxLength: 3 }),
      fc.integer({ min: 0, max: 2 })
    ),
    { minLength: 1, maxLength: 40 }
  )
  .map((rows) => ({
    probabilities: rows.flatMap(([weights]) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      return weights.map((weight) => weight / total)
    }),
    labels: rows.map(([, label]) => label)
  }))

describe("ClassMetrics", () => {
  it("gives the losses as they are computed by hand", () => {
    const probabilities = Float32Array.of(0.5, 0.25, 0.25, 0, 1, 0)
    expect(value(Metrics.meanLogLoss(probabilities, [1, 1], 3))).toBeCloseTo(Math.log(4) / 2, 12)
    expect(value(Metrics.meanBrierScore(probabilities, [1, 1], 3))).toBeCloseTo(
      (0.25 + 0.5625 + 0.0625) / 2,
      12
    )
    expect(value(Metrics.meanBinaryLogLoss([0.75, 0.75], [1, 0]))).toBeCloseTo(-Math.log(0.75 * 0.25) / 2, 12)
    expect(value(Metrics.meanBinaryBrierScore([0.75, 0.75], [1, 0]))).toBeCloseTo((0.0625 + 0.5625) / 2, 12)
    expect(value(Metrics.meanBinaryLogLoss([1], [0]))).toBeCloseTo(-Math.log(1e-6), 12)
  })

  it("takes one probability for a distribution over two classes, the Brier score halved", () => {
    const rows = fc.array(
      fc.tuple(fc.double({ noNaN: true, min: 0, max: 1 }), fc.integer({ min: 0, max: 1 })),
      {
        minLength: 1
      }
    )
    fc.assert(
      fc.property(rows, (drawn) => {
        const [one, labels] = [drawn.map(([p]) => p), drawn.map(([, label]) => label)]
        const two = one.flatMap((p) => [1 - p, p])
        expect(value(Metrics.meanBinaryLogLoss(one, labels))).toBeCloseTo(
          value(Metrics.meanLogLoss(two, labels, 2)),
          9
        )
        expect(2 * value(Metrics.meanBinaryBrierScore(one, labels))).toBeCloseTo(
          value(Metrics.meanBrierScore(two, labels, 2)),
          9
        )
      })
    )
  })

  it("names the most probable class, among equals the first", () => {
    const { confidence, correct, predicted } = value(
      Metrics.topLabels([0.2, 0.5, 0.3, 0.4, 0.2, 0.4], [2, 0], 3)
    )
    expect([...predicted]).toEqual([1, 0])
    expect([...confidence]).toEqual([0.5, 0.4])
    expect([...correct]).toEqual([0, 1])
  })

  it("counts accuracy as the share of correct top labels", () => {
    fc.assert(
      fc.property(forecasts, ({ probabilities, labels }) => {
        const { correct, predicted } = value(Metrics.topLabels(probabilities, labels, 3))
        const share = correct.filter((one) => one === 1).length / labels.length
        expect(value(Metrics.accuracy(predicted, labels, 3))).toBe(share)
      })
    )
  })

  it("gives the macro F1 of its definition: by precision and recall, over the classes that occur", () => {
    expect(value(Metrics.macroF1([0, 1, 1, 2], [0, 1, 2, 2], 3))).toBeCloseTo((1 + 2 / 3 + 2 / 3) / 3, 12)
    // Class 3 neither happened nor was predicted; class 2 happened and was never predicted.
    expect(value(Metrics.macroF1([0, 1, 1], [0, 1, 2], 4))).toBeCloseTo((1 + 2 / 3 + 0) / 3, 12)
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), {
      minLength: 1
    })
    fc.assert(
      fc.property(pairs, (drawn) => {
        const [said, came] = [drawn.map(([p]) => p), drawn.map(([, label]) => label)]
        const occurring = [0, 1, 2, 3].filter((c) => said.includes(c) || came.includes(c))
        const scores = occurring.map((c) => {
          const hits = drawn.filter(([p, l]) => p === c && l === c).length
          if (hits === 0) return 0
          const precision = hits / said.filter((p) => p === c).length
          const recall = hits / came.filter((l) => l === c).length
          return (2 * precision * recall) / (precision + recall)
        })
        const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
        expect(value(Metrics.macroF1(said, came, 4))).toBeCloseTo(mean, 12)
      })
    )
  })

  it("counts what happened by rows and what was predicted by columns", () => {
    expect([...value(Metrics.confusion([1, 1, 0], [0, 1, 0], 2))]).toEqual([1, 1, 0, 1])
  })

  it("refuses what are no probabilities, no labels, or of unequal lengths", () => {
    const nan = Number.NaN
    for (const measure of [Metrics.meanLogLoss, Metrics.meanBrierScore, Metrics.topLabels]) {
      expect(refusalOf(measure([0.5, 0.5, 1], [0, 1], 2))).toContain("probabilities has 3 numbers, not 4")
      expect(refusalOf(measure([0.5, 0.5, nan, 1], [0, 1], 2))).toContain(
        "Row 2 is refused: probabilities is NaN"
      )
      expect(refusalOf(measure([0.5, 0.5, 1.5, -0.5], [0, 1], 2))).toContain("is 1.5, not in [0, 1]")
      expect(refusalOf(measure([0.5, 0.5, 0.5, 0.4], [0, 1], 2))).toContain(
        "Row 2 is refused: probabilities sums to 0.9"
      )
      expect(refusalOf(measure([0.5, 0.5], [2], 2))).toContain("label is 2, not one of 2 classes")
      expect(refusalOf(measure([0.5, 0.5], [nan], 2))).toContain("label is NaN")
      expect(refusalOf(measure([], [], 2))).toContain("0 outcomes are too few")
      expect(() => measure([1], [0], 1)).toThrow("number of classes is 1")
    }
    for (const measure of [Metrics.meanBinaryLogLoss, Metrics.meanBinaryBrierScore]) {
      expect(refusalOf(measure([0.5], [0, 1]))).toContain("has 1 numbers, not 2")
      expect(refusalOf(measure([nan], [0]))).toContain("probability is NaN")
      expect(refusalOf(measure([0.5], [0.5]))).toContain("label is 0.5")
      expect(refusalOf(measure([], []))).toContain("too few")
    }
    for (const measure of [Metrics.accuracy, Metrics.macroF1, Metrics.confusion]) {
      expect(refusalOf(measure([0], [0, 1], 2))).toContain("predicted has 1 numbers, not 2")
      expect(refusalOf(measure([0, -1], [0, 1], 2))).toContain("predicted is -1")
      expect(refusalOf(measure([0, 1], [0, nan], 2))).toContain("label is NaN")
      expect(refusalOf(measure([], [], 2))).toContain("too few")
    }
  })
})
