import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import {
  deflatedSharpe,
  expectedMaximumSharpe,
  minimumTrackRecord,
  probabilisticSharpe,
  type SharpeEstimate,
  sharpeOfSums
} from "../../../src/learning/evaluation/SharpeStatistics.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const normal = (sharpe: number, observations: number): SharpeEstimate => ({
  sharpe,
  observations,
  skewness: 0,
  kurtosis: 3
})

describe("the deflated Sharpe ratio", () => {
  const daysPerYear = 250
  const found: SharpeEstimate = {
    sharpe: 2.5 / Math.sqrt(daysPerYear),
    observations: 1_250,
    skewness: -3,
    kurtosis: 10
  }
  const variance = 0.5 / daysPerYear

  it("is that of the paper's example", () => {
    const { benchmark, probability } = Either.getOrThrow(deflatedSharpe(found, { trials: 100, variance }))
    expect(benchmark.toFixed(4)).toBe("0.1132")
    expect(probability.toFixed(4)).toBe("0.9004")
  })

  it("passes 95% after 46 trials, and after 88 had the returns been normal, as the paper says", () => {
    const probabilityAfter = (trials: number, estimate: SharpeEstimate) =>
      Either.getOrThrow(deflatedSharpe(estimate, { trials, variance })).probability
    expect(probabilityAfter(46, found).toFixed(4)).toBe("0.9505")
    expect(probabilityAfter(47, found)).toBeLessThan(probabilityAfter(46, found))
    expect(probabilityAfter(88, { ...found, skewness: 0, kurtosis: 3 }).toFixed(2)).toBe("0.95")
  })

  it("is the probabilistic one against zero where there was one trial", () => {
    const { benchmark, probability } = Either.getOrThrow(deflatedSharpe(found, { trials: 1, variance }))
    expect(benchmark).toBe(0)
    expect(probability).toBe(Either.getOrThrow(probabilisticSharpe(found, 0)))
  })
})

describe("the expected maximum", () => {
  it("is what the best of so many normal draws comes to", () => {
    for (const trials of [10, 100]) {
      const random = keyedRandom("maximum", trials)
      const rounds = 4_000
      let sum = 0
      for (let round = 0; round < rounds; round++) {
        let best = Number.NEGATIVE_INFINITY
        for (let trial = 0; trial < trials; trial++) best = Math.max(best, random.normal())
        sum += best
      }
      // The draws' own error is 0.01; the approximation is 0.02 to 0.04 above the truth.
      expect(Math.abs(expectedMaximumSharpe({ trials, variance: 1 }) - sum / rounds)).toBeLessThan(0.07)
    }
  })

  it("never falls with more trials or more spread, and is never below zero", () => {
    const trials = fc.double({ min: 1, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(trials, trials, fc.double({ min: 0, max: 10, noNaN: true }), (some, more, variance) => {
        const of = (count: number) => expectedMaximumSharpe({ trials: count, variance })
        expect(of(some)).toBeGreaterThanOrEqual(0)
        expect(of(some + more)).toBeGreaterThanOrEqual(of(some))
        expect(expectedMaximumSharpe({ trials: some, variance: 4 * variance })).toBeCloseTo(2 * of(some), 9)
      })
    )
  })

  it("refuses trials and spreads that are none", () => {
    for (const trials of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => expectedMaximumSharpe({ trials, variance: 1 })).toThrow("number of trials is")
    }
    expect(() => expectedMaximumSharpe({ trials: 2, variance: -1 })).toThrow("variance of the trials is -1")
  })
})

describe("the probabilistic Sharpe ratio", () => {
  it("is that of the paper's fund: 24 months, with its moments and as if they were normal", () => {
    const fund = { sharpe: 0.458, observations: 24, skewness: -2.448, kurtosis: 10.164 }
    expect(Either.getOrThrow(probabilisticSharpe(fund, 0)).toFixed(3)).toBe("0.913")
    expect(Either.getOrThrow(probabilisticSharpe(normal(0.458, 24), 0)).toFixed(3)).toBe("0.982")
  })

  it("is a half at the benchmark, and how often estimates lie above it around there", () => {
    expect(Either.getOrThrow(probabilisticSharpe(normal(0.1, 500), 0.1))).toBe(0.5)
    // Estimates of 200 normal returns with a true ratio of 0.1: their spread is that of the formula.
    const random = keyedRandom("estimates")
    const count = 2_000
    const estimates = Array.from({ length: count }, () => {
      let sum = 0
      let squares = 0
      for (let i = 0; i < 200; i++) {
        const value = 0.1 + random.normal()
        sum += value
        squares += value * value
      }
      const mean = sum / 200
      return mean / Math.sqrt((squares / 200 - mean * mean) * (200 / 199))
    })
    const above = estimates.filter((estimate) => estimate > 0.15).length / count
    const claimed = 1 - Either.getOrThrow(probabilisticSharpe(normal(0.15, 200), 0.1))
    expect(Math.abs(above - claimed)).toBeLessThan(3 * Math.sqrt((claimed * (1 - claimed)) / count))
  })

  it("rises with the record, with skewness, and falls with fat tails, for a ratio above the benchmark", () => {
    const of = (estimate: Partial<SharpeEstimate>) =>
      Either.getOrThrow(probabilisticSharpe({ ...normal(0.1, 250), ...estimate }, 0))
    expect(of({ observations: 500 })).toBeGreaterThan(of({}))
    expect(of({ skewness: 1 })).toBeGreaterThan(of({}))
    expect(of({ skewness: -1 })).toBeLessThan(of({}))
    expect(of({ kurtosis: 12 })).toBeLessThan(of({}))
  })

  it("says why it cannot judge", () => {
    const refused = (estimate: Partial<SharpeEstimate>) =>
      refusalOf(probabilisticSharpe({ ...normal(0.1, 250), ...estimate }, 0))
    expect(refused({ observations: 1 })).toContain("it rests on 1 observations")
    expect(refused({ sharpe: Number.NaN })).toContain("its moments are NaN, 0 and 3")
    expect(refused({ skewness: 2, kurtosis: 4.9 })).toContain("no returns have skewness 2 and kurtosis 4.9")
    // 1 - 4 * 0.5 + 16 / 4 * 0.25: the two-point returns that have a ratio of 0.5.
    expect(refused({ sharpe: 0.5, skewness: 4, kurtosis: 17 })).toContain("its error comes out as none")
    expect(() => probabilisticSharpe(normal(0.1, 250), Number.NaN)).toThrow("the benchmark is NaN")
  })
})

describe("the minimum track record", () => {
  it("is that of the paper's examples: daily, weekly and monthly, an annual ratio of 2 above 1", () => {
    const years = (perYear: number, moments: Partial<SharpeEstimate> = {}) => {
      const annual = Math.sqrt(perYear)
      const estimate = { ...normal(2 / annual, 100), ...moments }
      return Either.getOrThrow(minimumTrackRecord(estimate, 1 / annual, 0.95)) / perYear
    }
    expect(years(250).toFixed(2)).toBe("2.73")
    expect(years(52).toFixed(2)).toBe("2.83")
    expect(years(12).toFixed(2)).toBe("3.24")
    expect(years(12, { skewness: -0.72, kurtosis: 5.78 }).toFixed(2)).toBe("4.99")
  })

  it("is the record from which the probability is the confidence", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 0.5, noNaN: true }),
        fc.double({ min: -0.3, max: 0.01, noNaN: true }),
        fc.double({ min: 0.6, max: 0.999, noNaN: true }),
        (sharpe, benchmark, confidence) => {
          const estimate = { sharpe, observations: 100, skewness: -0.5, kurtosis: 5 }
          const record = Either.getOrThrow(minimumTrackRecord(estimate, benchmark, confidence))
          const of = (observations: number) =>
            Either.getOrThrow(probabilisticSharpe({ ...estimate, observations }, benchmark))
          expect(of(Math.ceil(record) + 1)).toBeGreaterThanOrEqual(confidence)
          if (record > 3) expect(of(Math.floor(record))).toBeLessThanOrEqual(confidence + 1e-12)
        }
      )
    )
  })

  it("is without end where the ratio is not above the benchmark", () => {
    expect(Either.getOrThrow(minimumTrackRecord(normal(0.1, 100), 0.1, 0.95))).toBe(Number.POSITIVE_INFINITY)
    expect(() => minimumTrackRecord(normal(0.1, 100), 0, 0.5)).toThrow("the confidence is 0.5")
  })
})

describe("the Sharpe ratio of sums", () => {
  const sumsOf = (values: ReadonlyArray<number>, offset: number) => ({
    count: values.length,
    offset,
    sum: values.reduce((sum, value) => sum + (value - offset), 0),
    squares: values.reduce((sum, value) => sum + (value - offset) ** 2, 0)
  })

  it("is mean over deviation, whatever the offset", () => {
    const values = [0.01, -0.02, 0.03, 0.015]
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - 0.008_75) ** 2, 0) / 3)
    for (const offset of [0, 0.01, -0.5])
      expect(sharpeOfSums(sumsOf(values, offset))).toBeCloseTo(0.008_75 / deviation, 10)
  })

  it("is 0 of what does not vary, however its sums are rounded", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -0.9, max: 2, noNaN: true }),
        fc.double({ min: -0.9, max: 2, noNaN: true }),
        fc.integer({ min: 2, max: 3_000 }),
        (value, offset, count) => {
          expect(sharpeOfSums(sumsOf(Array<number>(count).fill(value), offset))).toBe(0)
        }
      )
    )
    // An equity that grows by a thousandth a bar, in doubles: its returns differ by their rounding.
    const equity = Array.from({ length: 500 }, (_, i) => 100_000 * 1.001 ** i)
    const returns = equity.slice(1).map((value, i) => value / (equity[i] as number) - 1)
    expect(new Set(returns).size).toBeGreaterThan(1)
    expect(sharpeOfSums(sumsOf(returns, returns[0] as number))).toBe(0)
    expect(sharpeOfSums(sumsOf([0.1], 0))).toBe(0)
  })
})
