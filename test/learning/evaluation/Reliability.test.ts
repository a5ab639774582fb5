import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Binning, reliability } from "../../../src/learning/evaluation/Reliability.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const of = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  kind: Binning["kind"],
  bins: number
) => Either.getOrThrow(reliability(probabilities, labels, { kind, bins }))

const outcomes = fc.array(
  fc.tuple(
    fc.oneof(fc.double({ noNaN: true, min: 0, max: 1 }), fc.constantFrom(0, 0.25, 0.5, 1)),
    fc.integer({ min: 0, max: 1 })
  ),
  { minLength: 1, maxLength: 80 }
)
const binnings = fc.record<Binning>({
  kind: fc.constantFrom("equal-width", "equal-mass"),
  bins: fc.integer({ min: 1, max: 20 })
})

describe("reliability", () => {
  it("gives the curve and the error as they are computed by hand", () => {
    const { bins, expectedCalibrationError, maximumCalibrationError } = of(
      [0.1, 0.3, 0.6, 0.9],
      [0, 1, 1, 1],
      "equal-width",
      2
    )
    expect(bins).toEqual([
      { low: 0, high: 0.5, count: 2, meanProbability: 0.2, observedRate: 0.5 },
      { low: 0.5, high: 1, count: 2, meanProbability: 0.75, observedRate: 1 }
    ])
    expect(expectedCalibrationError).toBeCloseTo((0.3 + 0.25) / 2, 12)
    expect(maximumCalibrationError).toBeCloseTo(0.3, 12)
  })

  it("puts a probability that is an edge into the bin above it, and 1 into the last", () => {
    const counts = (bins: number) =>
      of(
        Array.from({ length: bins + 1 }, (_, i) => i / bins),
        new Uint8Array(bins + 1),
        "equal-width",
        bins
      ).bins.map(({ count }) => count)
    const below = (bins: number) =>
      of(
        Array.from({ length: bins }, (_, i) => ((i + 1) / bins) * (1 - 2 ** -53)),
        new Uint8Array(bins),
        "equal-width",
        bins
      ).bins.map(({ count }) => count)
    for (const bins of [3, 7, 10, 29, 100, 1_000]) {
      expect(below(bins)).toEqual(new Array(bins).fill(1))
      expect(counts(bins)).toEqual([...new Array(bins - 1).fill(1), 2])
    }
  })

  it("leaves an empty bin of equal width without a mean or a rate", () => {
    expect(of([0.1], [0], "equal-width", 2).bins[1]).toEqual({
      low: 0.5,
      high: 1,
      count: 0,
      meanProbability: null,
      observedRate: null
    })
  })

  it("gives bins of equal mass as many outcomes each as can be, equal probabilities together", () => {
    const spread = Float64Array.from({ length: 10 }, (_, i) => i / 10)
    expect(of(spread, new Uint8Array(10), "equal-mass", 5).bins.map(({ count }) => count)).toEqual([
      2, 2, 2, 2, 2
    ])
    const tied = [0.2, 0.2, 0.2, 0.2, 0.2, 0.7, 0.8, 0.9]
    const { bins } = of(tied, new Uint8Array(8), "equal-mass", 4)
    expect(bins.map(({ count, low, high }) => [count, low, high])).toEqual([
      [5, 0.2, 0.2],
      [1, 0.7, 0.7],
      [2, 0.8, 0.9]
    ])
  })

  it("loses no outcome, keeps means within their bins, and does not see the order", () => {
    fc.assert(
      fc.property(outcomes, binnings, (drawn, { kind, bins }) => {
        const result = of(
          drawn.map(([p]) => p),
          drawn.map(([, label]) => label),
          kind,
          bins
        )
        expect(result.bins.reduce((sum, { count }) => sum + count, 0)).toBe(drawn.length)
        for (const { low, high, meanProbability } of result.bins) {
          if (meanProbability === null) continue
          expect(meanProbability).toBeGreaterThanOrEqual(low - 1e-12)
          expect(meanProbability).toBeLessThanOrEqual(high + 1e-12)
        }
        expect(result.expectedCalibrationError).toBeLessThanOrEqual(result.maximumCalibrationError + 1e-12)
        const turned = [...drawn].reverse()
        const again = of(
          turned.map(([p]) => p),
          turned.map(([, label]) => label),
          kind,
          bins
        )
        expect(again.bins.map(({ count }) => count)).toEqual(result.bins.map(({ count }) => count))
        expect(again.expectedCalibrationError).toBeCloseTo(result.expectedCalibrationError, 12)
      })
    )
  })

  it("finds next to no error in probabilities that mean what they say, and the error of those that do not", () => {
    const random = keyedRandom("reliability")
    const truth = Float64Array.from({ length: 50_000 }, () => random.next())
    const labels = Uint8Array.from(truth, (p) => (random.next() < p ? 1 : 0))
    const boasting = truth.map((p) => (p < 0.5 ? 0 : 1))
    for (const kind of ["equal-width", "equal-mass"] as const) {
      expect(of(truth, labels, kind, 15).expectedCalibrationError).toBeLessThan(0.02)
      // |1 - 3/4| and |0 - 1/4|.
      expect(of(boasting, labels, kind, 15).expectedCalibrationError).toBeCloseTo(0.25, 1)
    }
  })

  it("refuses what is no probability or no label", () => {
    const refused = (probabilities: Array<number>, labels: Array<number>) =>
      refusalOf(reliability(probabilities, labels, { kind: "equal-width", bins: 10 }))
    expect(refused([1.1], [0])).toContain("probability is 1.1, not in [0, 1]")
    expect(refused([Number.NaN], [0])).toContain("probability is NaN")
    expect(refused([0.5], [0, 1])).toContain("has 1 numbers, not 2")
    expect(refused([0.5], [3])).toContain("label is 3")
    expect(refused([], [])).toContain("too few")
    expect(() => reliability([0.5], [0], { kind: "equal-mass", bins: 0 })).toThrow("number of bins is 0")
  })
})
