import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  describePerformance,
  type PerformanceInput,
  type PerformanceOptions
} from "../../../src/agents/backtest/performanceReport.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { measureCurve } from "../../../src/market/performance/CurveMetrics.ts"
import { Performance } from "../../../src/protocols/Performance.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const hourMs = 3_600_000
const bars = 1_000

/** Equity over the bars, from 10,000, by normal returns. */
const equityOf = (name: string, mean: number, deviation = 0.01, count = bars): Float64Array => {
  const random = keyedRandom("equity", name)
  const equity = new Float64Array(count + 1).fill(10_000)
  for (let i = 0; i < count; i++) {
    equity[i + 1] = (equity[i] as number) * (1 + mean + deviation * random.normal())
  }
  return equity
}

const inputOf = (equity: Float64Array, given: Partial<PerformanceInput> = {}): PerformanceInput => ({
  curve: { time: Float64Array.from(equity, (_, i) => 1_600_000_000_000 + i * hourMs), equity },
  timeFrame: TimeFrame.make("1h"),
  calendar: "always",
  exposure: null,
  traded: null,
  tradeProfits: [],
  otherCosts: [],
  baselines: [],
  ...given
})

const describeIt = (input: PerformanceInput, options: Partial<PerformanceOptions> = {}) =>
  runThrough(describePerformance(input, { key: ["test"], resamples: 200, ...options }))

const profitsOf = (count: number) => {
  const random = keyedRandom("profits")
  return Array.from({ length: count }, () => Math.round(1e6 * (0.3 + random.normal())))
}

const skilled = equityOf("skilled", 0.002)

describe("describePerformance", () => {
  it("reports the measures of the curve, each within its interval", () => {
    const found = describeIt(inputOf(skilled, { tradeProfits: profitsOf(120) }))
    const metrics = measureCurve(skilled, 8_760)
    const measures = [
      "totalReturn",
      "annualisedReturn",
      "volatility",
      "sharpe",
      "sortino",
      "calmar",
      "maximumDrawdown",
      "skewness",
      "kurtosis"
    ] as const
    for (const name of measures) {
      const { high, low, value } = found[name]
      expect(value, name).toBe(metrics[name])
      expect(low, name).toBeLessThan(value as number)
      expect(high, name).toBeGreaterThan(value as number)
    }
    for (const { high, low, value } of [found.trades.hitRate, found.trades.profitFactor]) {
      expect(low).toBeLessThan(value as number)
      expect(high).toBeGreaterThan(value as number)
    }
    expect(found).toMatchObject({ bars, barsPerYear: 8_760, ruined: false, from: 1_600_000_000_000 })
    expect(found.to).toBe(1_600_000_000_000 + bars * hourMs)
    expect(found.maximumDrawdown.low).toBeGreaterThan(0)
    expect(found.maximumDrawdown.high).toBeLessThan(1)
    expect(found.volatility.low).toBeGreaterThan(0)
    expect(found.intervals).toMatchObject({ confidence: 0.95, reason: "" })
  })

  it("is what it was written as, once it was read again", () => {
    const input = inputOf(skilled, {
      exposure: new Float64Array(bars).fill(0.5),
      traded: 12_345,
      tradeProfits: profitsOf(50),
      baselines: [{ name: "none", equity: new Float64Array(bars + 1).fill(1) }]
    })
    const found = describeIt(input, { trials: { trials: 10, sharpeVariance: null } })
    const decode = Schema.decodeUnknownSync(Performance, { onExcessProperty: "error" })
    expect(decode(JSON.parse(JSON.stringify(found)))).toEqual(found)
  })

  it("is the same for the same key, and draws anew for another", () => {
    const input = inputOf(skilled)
    expect(describeIt(input)).toEqual(describeIt(input))
    expect(describeIt(input, { key: ["other"] }).sharpe).not.toEqual(describeIt(input).sharpe)
  })

  it("holds the true Sharpe ratio about as often as it says", () => {
    const worlds = 100
    const truth = 0.1 * Math.sqrt(8_760)
    let held = 0
    for (let world = 0; world < worlds; world++) {
      const { sharpe } = describeIt(inputOf(equityOf(`world ${world}`, 0.001, 0.01, 250)))
      if ((sharpe.low as number) <= truth && truth <= (sharpe.high as number)) held++
    }
    expect(held).toBeGreaterThanOrEqual(88)
    expect(held).toBeLessThanOrEqual(99)
  })

  it("says what the ratio proves, and less so the more was tried", () => {
    const { evidence: alone } = describeIt(inputOf(skilled))
    expect(alone?.probability).toBeGreaterThan(0.95)
    expect(alone?.minimumTrackRecordBars).toBeLessThan(bars)
    expect(alone?.deflated).toBeNull()
    const afterTrials = (trials: number, sharpeVariance: number | null) =>
      describeIt(inputOf(skilled), { trials: { trials, sharpeVariance } }).evidence?.deflated
    expect(afterTrials(1, null)).toMatchObject({
      trials: 1,
      expectedMaximum: 0,
      probability: alone?.probability
    })
    // Without ratios of the trials they are spread by chance: a deviation of one over the root of the bars.
    expect(afterTrials(50, null)).toEqual(afterTrials(50, 1 / (bars - 1)))
    expect(afterTrials(50, null)?.probability).toBeLessThan(afterTrials(5, null)?.probability as number)
    expect(afterTrials(50, 0.04)?.probability).toBeLessThan(0.5)
    expect(
      describeIt(inputOf(skilled), { trials: { trials: 0, sharpeVariance: null } }).evidence?.deflated
    ).toBeNull()
  })

  it("measures against a benchmark that is given for a year", () => {
    const perYear = describeIt(inputOf(skilled)).sharpe.value as number
    const at = describeIt(inputOf(skilled), { benchmark: perYear }).evidence
    expect(at?.probability).toBeCloseTo(0.5, 9)
    expect(describeIt(inputOf(skilled), { benchmark: perYear + 1 }).evidence).toMatchObject({
      minimumTrackRecordBars: null
    })
  })

  it("puts curves at other costs beside the one it is about, rising", () => {
    const found = describeIt(
      inputOf(skilled, {
        otherCosts: [
          { multiple: 2, equity: equityOf("skilled", 0.001) },
          { multiple: 0, equity: equityOf("skilled", 0.003) }
        ]
      })
    )
    expect(found.costs.map(({ multiple }) => multiple)).toEqual([0, 1, 2])
    const returns = found.costs.map(({ totalReturn }) => totalReturn)
    expect(returns).toEqual([...returns].sort((a, b) => b - a))
    expect(returns[1]).toBe(found.totalReturn.value)
  })

  it("is better than a baseline where it is, and not better than one that is as good", () => {
    const market = equityOf("market", 0)
    const random = keyedRandom("own")
    const own = new Float64Array(bars + 1).fill(5)
    const same = new Float64Array(bars + 1).fill(7)
    for (let i = 0; i < bars; i++) {
      const marketReturn = (market[i + 1] as number) / (market[i] as number) - 1
      own[i + 1] = (own[i] as number) * (1 + marketReturn + 0.001 + 0.002 * random.normal())
      same[i + 1] = (same[i] as number) * (1 + marketReturn + 0.001 + 0.002 * random.normal())
    }
    const [beaten, equal] = describeIt(
      inputOf(own, {
        baselines: [
          { name: "market", equity: market },
          { name: "as good", equity: same }
        ]
      })
    ).baselines
    expect(beaten?.name).toBe("market")
    // 0.001 a bar, 8,760 bars: in pairs, what both share is no uncertainty.
    expect(beaten?.returnDifference.value).toBeCloseTo(8.76, -1)
    expect(beaten?.returnDifference.low).toBeGreaterThan(0)
    expect(beaten?.sharpeDifference.low).toBeGreaterThan(0)
    expect(equal?.returnDifference.low).toBeLessThan(0)
    expect(equal?.returnDifference.high).toBeGreaterThan(0)
    expect(equal?.sharpe).toBe(measureCurve(same, 8_760).sharpe)
  })

  it("tells when the deepest fall was, and how much was held and turned over", () => {
    const equity = Float64Array.of(100, 120, 90, 60, 130, 110)
    const found = describeIt(
      inputOf(equity, { exposure: Float64Array.of(1, 1, -0.5, 0, 1), traded: 305, tradeProfits: [2e6, -1e6] })
    )
    const at = (bar: number) => 1_600_000_000_000 + bar * hourMs
    expect(found.drawdown).toEqual({
      depth: 0.5,
      peakAt: at(1),
      troughAt: at(3),
      recoveredAt: at(4),
      fallBars: 2,
      recoveryBars: 1
    })
    expect(found.underwaterBarsMax).toBe(3)
    expect(found.exposure).toEqual({ gross: 0.7, net: 0.5, timeInMarket: 0.8 })
    expect(found.annualTurnover).toBeCloseTo(3 * (8_760 / 5), 9)
    expect(found.trades).toMatchObject({ count: 2, profit: 1, hitRate: { value: 0.5, low: null } })
    expect(found.intervals).toMatchObject({
      blockBars: null,
      reason: "5 outcomes are too few: 10 are needed."
    })
  })

  it("says of a curve that stood still, or of one point, what there is to say", () => {
    const still = describeIt(inputOf(new Float64Array(101).fill(50), { tradeProfits: new Array(30).fill(0) }))
    expect(still.totalReturn).toEqual({ value: 0, low: 0, high: 0 })
    expect(still.sharpe).toEqual({ value: null, low: null, high: null })
    expect(still).toMatchObject({ evidence: null, drawdown: null, exposure: null, annualTurnover: null })
    expect(still.trades.hitRate).toEqual({ value: 0, low: 0, high: 0 })
    const point = describeIt(inputOf(Float64Array.of(50)))
    expect(point).toMatchObject({ bars: 0, evidence: null, drawdown: null })
    expect(point.annualisedReturn.value).toBeNull()
    expect(point.to).toBe(point.from)
  })

  it("ends at ruin, and compares a ruined curve with none that lived on", () => {
    const ruined = skilled.slice()
    ruined[600] = -5
    const found = describeIt(inputOf(ruined, { baselines: [{ name: "lived", equity: skilled }] }))
    expect(found).toMatchObject({ ruined: true, bars: 600 })
    expect(found.to).toBe(1_600_000_000_000 + 600 * hourMs)
    expect(found.annualisedReturn.value).toBe(-1)
    expect(found.baselines[0]?.returnDifference).toEqual({ value: null, low: null, high: null })
    expect(found.baselines[0]?.sharpe).toBe(measureCurve(skilled, 8_760).sharpe)
  })

  it("throws at curves of other bars", () => {
    const short = skilled.slice(1)
    expect(() => describeIt(inputOf(skilled, { baselines: [{ name: "short", equity: short }] }))).toThrow(
      "short has 1000 points, the curve it stands beside 1001"
    )
    expect(() => describeIt(inputOf(skilled, { otherCosts: [{ multiple: 2, equity: short }] }))).toThrow(
      "the curve at 2 times the costs"
    )
    expect(() => describeIt(inputOf(skilled, { exposure: new Float64Array(bars + 1) }))).toThrow(
      "the exposure"
    )
  })
})
