import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Metrics from "../../../src/learning/evaluation/RegressionMetrics.ts"
import { refusalOf } from "./refusals.ts"

const predicted = Float64Array.of(1, 2, 4, -1)
const realised = Float32Array.of(2, 2, 1, 1)

describe("RegressionMetrics", () => {
  it("gives the measures as they are computed by hand", () => {
    const value = <E>(result: Either.Either<number, E>) => Either.getOrThrow(result)
    expect(value(Metrics.meanSquaredError(predicted, realised))).toBe(14 / 4)
    expect(value(Metrics.meanAbsoluteError(predicted, realised))).toBe(6 / 4)
    expect(value(Metrics.rootMeanSquaredError(predicted, realised))).toBe(Math.sqrt(14 / 4))
    expect([...Either.getOrThrow(Metrics.squaredErrors(predicted, realised))]).toEqual([1, 0, 9, 4])
    expect([...Either.getOrThrow(Metrics.absoluteErrors(predicted, realised))]).toEqual([1, 0, 3, 2])
  })

  it("gives pinball losses by level and in the mean, the median's half the absolute error", () => {
    const levels = [0.1, 0.5, 0.9]
    const quantiles = [0, 1, 3, 1, 2, 3]
    const { mean, perLevel } = Either.getOrThrow(Metrics.pinballLoss(quantiles, [2, 0], levels))
    // Errors 2, 1, -1 of the first outcome and -1, -2, -3 of the second.
    const byHand = [(0.2 + 0.9) / 2, (0.5 + 1) / 2, (0.1 + 0.3) / 2]
    for (const [i, expected] of byHand.entries()) expect(perLevel[i]).toBeCloseTo(expected, 12)
    expect(mean).toBeCloseTo((0.55 + 0.75 + 0.2) / 3, 12)
    expect(Either.getOrThrow(Metrics.pinballLosses(quantiles, [2, 0], levels))).toHaveLength(6)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.float({ noNaN: true, min: -9, max: 9 }), fc.integer()), { minLength: 1 }),
        (rows) => {
          const [said, came] = [rows.map(([p]) => p), rows.map(([, r]) => r % 100)]
          const half = Either.getOrThrow(Metrics.pinballLoss(said, came, [0.5])).mean
          expect(2 * half).toBeCloseTo(Either.getOrThrow(Metrics.meanAbsoluteError(said, came)), 9)
        }
      )
    )
    expect(() => Metrics.pinballLoss([1], [1], [])).toThrow("quantile levels are none")
    expect(() => Metrics.pinballLoss([1], [1], [1])).toThrow("quantile levels are 1")
  })

  it("judges directions only where there are two", () => {
    const judged = (said: Array<number>, came: Array<number>) =>
      Either.getOrThrow(Metrics.directionalAccuracy(said, came))
    expect(judged([1, -2, 3, 0, 1, -1], [0.1, -0.1, -0.1, 1, 0, -5])).toEqual({ judged: 4, correct: 3 })
    expect(judged([0], [1])).toEqual({ judged: 0, correct: 0 })
  })

  it("refuses unequal lengths, numbers that are not finite, and nothing at all", () => {
    const measures = [
      Metrics.meanSquaredError,
      Metrics.meanAbsoluteError,
      Metrics.rootMeanSquaredError,
      Metrics.directionalAccuracy,
      (p: ArrayLike<number>, r: ArrayLike<number>) => Metrics.pinballLoss(p, r, [0.5])
    ]
    for (const measure of measures) {
      expect(refusalOf(measure([1, 2], [1, 2, 3]))).toBe("Row 3 is refused: predicted has 2 numbers, not 3.")
      expect(refusalOf(measure([1, 2, 3, 4], [1, 2, 3]))).toContain("predicted has 4 numbers, not 3")
      expect(refusalOf(measure([1, Number.NaN], [1, 2]))).toContain("Row 2 is refused: predicted is NaN")
      expect(refusalOf(measure([1, 2], [Number.NEGATIVE_INFINITY, 2]))).toContain(
        "Row 1 is refused: realised"
      )
      expect(refusalOf(measure([1e200], [1]))).toContain("predicted is 1e+200")
      expect(refusalOf(measure([], []))).toBe("0 outcomes are too few: 1 are needed.")
    }
    expect(refusalOf(Metrics.pinballLoss([1, 2, 3], [1, 2], [0.1, 0.9]))).toContain("has 3 numbers, not 4")
    expect(refusalOf(Metrics.pinballLoss([1, 2, 3, Number.NaN], [1, 2], [0.1, 0.9]))).toContain("Row 2")
  })
})
