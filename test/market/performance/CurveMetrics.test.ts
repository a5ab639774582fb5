import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { type CurveMetrics, measureCurve } from "../../../src/market/performance/CurveMetrics.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

/** A curve through these returns, from 1. */
const through = (returns: ReadonlyArray<number>): Float64Array => {
  const equity = [1]
  for (const value of returns) equity.push((equity.at(-1) as number) * (1 + value))
  return new Float64Array(equity)
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

/** Every measure once more, as a table would have it: by sums of powers, pairs of points, whole lists. */
const recomputed = (equity: ReadonlyArray<number>, barsPerYear: number) => {
  const returns = equity.slice(1).map((value, i) => (value - (equity[i] as number)) / (equity[i] as number))
  const n = returns.length
  const power = (k: number) => sum(returns.map((value) => value ** k)) / n
  const [m, m2, m3, m4] = [power(1), power(2), power(3), power(4)] as [number, number, number, number]
  const central2 = m2 - m * m
  const central3 = m3 - 3 * m * m2 + 2 * m ** 3
  const central4 = m4 - 4 * m * m3 + 6 * m * m * m2 - 3 * m ** 4
  const deviation = Math.sqrt((central2 * n) / (n - 1))
  const losses = returns.map((value) => (value < 0 ? value * value : 0))
  const falls = equity.flatMap((peak, i) => equity.slice(i).map((later) => (peak - later) / peak))
  const growth = (equity.at(-1) as number) / (equity[0] as number)
  const annual = Math.exp((Math.log(growth) * barsPerYear) / n) - 1
  return {
    totalReturn: growth - 1,
    annualisedReturn: annual,
    volatility: deviation * Math.sqrt(barsPerYear),
    sharpe: (m / deviation) * Math.sqrt(barsPerYear),
    sharpePerBar: m / deviation,
    sortino: (m / Math.sqrt(sum(losses) / n)) * Math.sqrt(barsPerYear),
    maximumDrawdown: Math.max(...falls),
    calmar: annual / Math.max(...falls),
    skewness: central3 / central2 ** 1.5,
    kurtosis: central4 / central2 ** 2
  } satisfies Partial<Record<keyof CurveMetrics, number>>
}

const nothing = {
  volatility: null,
  sharpe: null,
  sharpePerBar: null,
  sortino: null,
  calmar: null,
  maximumDrawdown: 0,
  skewness: null,
  kurtosis: null
}

describe("measureCurve", () => {
  it("agrees with every measure computed once more", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -0.2, max: 0.25, noNaN: true }), { minLength: 5, maxLength: 60 }),
        fc.constantFrom(252, 8_760, 52),
        (drawn, barsPerYear) => {
          // Two fixed ones, so that something moves and something falls.
          const equity = through([0.03, -0.05, ...drawn])
          const found = measureCurve(equity, barsPerYear)
          for (const [name, value] of Object.entries(recomputed([...equity], barsPerYear))) {
            const own = found[name as keyof CurveMetrics] as number
            expect(Math.abs(own - value), name).toBeLessThan(1e-7 * (1 + Math.abs(value)))
          }
          expect(found.bars).toBe(drawn.length + 2)
          expect(found.ruined).toBe(false)
        }
      )
    )
  })

  it("is right by hand", () => {
    // Returns 10%, -10%, 20%, 0: mean 0.05, squared distances 0.05 in sum.
    const found = measureCurve(Float64Array.of(100, 110, 99, 118.8, 118.8), 4)
    expect(found.totalReturn).toBeCloseTo(0.188, 12)
    expect(found.annualisedReturn).toBeCloseTo(0.188, 12)
    expect(found.volatility).toBeCloseTo(2 * Math.sqrt(0.05 / 3), 12)
    expect(found.sharpe).toBeCloseTo((2 * 0.05) / Math.sqrt(0.05 / 3), 12)
    expect(found.sortino).toBeCloseTo((2 * 0.05) / Math.sqrt(0.01 / 4), 12)
    expect(found.maximumDrawdown).toBeCloseTo(0.1, 12)
    expect(found.calmar).toBeCloseTo(1.88, 12)
    // Central moments of 0.05, -0.15, 0.15, -0.05: none of the third order, 0.0010250 / 4 of the fourth.
    expect(found.skewness).toBeCloseTo(0, 12)
    expect(found.kurtosis).toBeCloseTo(0.001025 / 4 / 0.0125 ** 2, 12)
  })

  it("finds the moments of what it is fed with", () => {
    const random = keyedRandom("moments")
    const returns = Array.from({ length: 40_000 }, () => 0.001 + 0.01 * random.normal())
    const found = measureCurve(through(returns), 252)
    expect(found.sharpePerBar).toBeCloseTo(0.1, 1)
    expect(found.volatility).toBeCloseTo(0.01 * Math.sqrt(252), 2)
    expect(Math.abs(found.skewness as number)).toBeLessThan(0.05)
    expect(Math.abs((found.kurtosis as number) - 3)).toBeLessThan(0.1)
  })

  it("has no ratios of one point, and no deviation of one bar", () => {
    expect(measureCurve(Float64Array.of(100), 252)).toEqual({
      ...nothing,
      bars: 0,
      ruined: false,
      totalReturn: 0,
      annualisedReturn: null
    })
    expect(measureCurve(Float64Array.of(100, 90), 2)).toEqual({
      ...nothing,
      bars: 1,
      ruined: false,
      totalReturn: -0.09999999999999998,
      annualisedReturn: 0.9 ** 2 - 1,
      sortino: -Math.SQRT2,
      maximumDrawdown: 0.09999999999999998,
      calmar: (0.9 ** 2 - 1) / 0.09999999999999998
    })
  })

  it("has no ratios where nothing moves", () => {
    expect(measureCurve(new Float64Array(50).fill(123.45), 252)).toEqual({
      ...nothing,
      bars: 49,
      ruined: false,
      totalReturn: 0,
      annualisedReturn: 0,
      volatility: 0
    })
  })

  it("takes the rounding of equal returns for no variation", () => {
    const found = measureCurve(through(new Array(300).fill(0.001)), 300)
    expect(found.annualisedReturn).toBeCloseTo(1.001 ** 300 - 1, 9)
    expect(found).toMatchObject({
      volatility: 0,
      sharpe: null,
      skewness: null,
      kurtosis: null,
      sortino: null
    })
  })

  it("has no ratio to losses where there were none", () => {
    const found = measureCurve(Float64Array.of(1, 2, 2, 3), 252)
    expect(found).toMatchObject({ sortino: null, calmar: null, maximumDrawdown: 0 })
    expect(found.sharpe).toBeGreaterThan(0)
  })

  it("ends at ruin, with all that is lost", () => {
    const found = measureCurve(Float64Array.of(100, 120, -6, 80, 90), 252)
    expect(found).toMatchObject({ bars: 2, ruined: true, annualisedReturn: -1, calmar: -1 / 1.05 })
    expect(found.totalReturn).toBeCloseTo(-1.06, 12)
    expect(found.maximumDrawdown).toBeCloseTo(1.05, 12)
    expect(measureCurve(Float64Array.of(5, 0), 252)).toMatchObject({ totalReturn: -1, ruined: true })
  })

  it("gives numbers or null, never NaN nor infinity, whatever an account has had", () => {
    const equity = fc.oneof(
      fc.double({ min: -1e50, max: 1e50, noNaN: true }),
      fc.double({ min: 0, max: 1e-40, noNaN: true }),
      fc.constantFrom(0, 1, 100)
    )
    fc.assert(
      fc.property(
        fc.double({ min: 1e-49, max: 1e50, noNaN: true }),
        fc.array(equity, { maxLength: 12 }),
        (first, rest) => {
          const found = measureCurve(Float64Array.of(first, ...rest), 525_600)
          for (const [name, value] of Object.entries(found)) {
            if (typeof value === "number") expect(Number.isFinite(value), name).toBe(true)
          }
        }
      ),
      { numRuns: 2_000 }
    )
  })

  it("throws at curves that no account has had", () => {
    for (const wrong of [[], [0, 1], [-1], [Number.NaN], [1, Number.NaN], [1, 1e51]]) {
      expect(() => measureCurve(new Float64Array(wrong), 252)).toThrow(RangeError)
    }
    expect(() => measureCurve(Float64Array.of(1, 2), 0)).toThrow("0 bars a year")
  })
})
