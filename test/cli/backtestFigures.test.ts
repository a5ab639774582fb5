import { describe, expect, it } from "@effect/vitest"
import { curveRows, measureRows, verdictsOf } from "../../src/cli/backtestFigures.ts"
import type { Estimate, Performance } from "../../src/protocols/Performance.ts"

const estimate = (value: number | null, low: number | null = null, high: number | null = null): Estimate => ({
  value,
  low,
  high
})
const nothing = estimate(null)

const curve = { totalReturn: 0.1, annualisedReturn: 0.2, volatility: 0.3, sharpe: 0.9, maximumDrawdown: 0.05 }

const performance: Performance = {
  from: Date.UTC(2024, 0, 1),
  to: Date.UTC(2024, 6, 1),
  bars: 1_000,
  barsPerYear: 8_760,
  ruined: false,
  intervals: { confidence: 0.95, blockBars: 10, reason: "" },
  totalReturn: estimate(0.1, 0.02, 0.2),
  annualisedReturn: estimate(1.2e6),
  volatility: estimate(0.3),
  sharpe: estimate(1.5, 0.4, 2.6),
  sortino: nothing,
  calmar: nothing,
  maximumDrawdown: estimate(0.05),
  skewness: nothing,
  kurtosis: nothing,
  drawdown: { depth: 0.05, peakAt: 0, troughAt: 1, recoveredAt: null, fallBars: 7, recoveryBars: null },
  underwaterBarsMax: 12,
  exposure: { gross: 0.5, net: 0.1, timeInMarket: 0.7 },
  annualTurnover: 3,
  trades: { count: 4, profit: 12.5, hitRate: estimate(0.5), profitFactor: nothing },
  evidence: {
    sharpePerBar: 0.02,
    benchmark: 0,
    probability: 0.98,
    minimumTrackRecordBars: 600.2,
    deflated: { trials: 12, expectedMaximum: 1.1, probability: 0.6 }
  },
  costs: [{ multiple: 1, ...curve }],
  baselines: [
    { name: "buy and hold", ...curve, returnDifference: nothing, sharpeDifference: estimate(0.5, -0.2, 1.1) }
  ]
}

const rowOf = (of: Performance, name: string) => measureRows(of).find(([label]) => label === name)

describe("the figures of a backtest", () => {
  it("say that there is an edge only where the interval leaves zero out", () => {
    expect(verdictsOf(performance)[1]).toBe("Its Sharpe ratio is above zero.")
    const chance = { ...performance, sharpe: estimate(1.5, -0.1, 2.6) }
    expect(verdictsOf(chance)[1]).toMatch(/NO edge/)
    const worse = { ...performance, sharpe: estimate(-1.5, -3, -0.1) }
    expect(verdictsOf(worse)[1]).toMatch(/BELOW zero/)
  })

  it("say what luck would have shown, and what baselines were worth", () => {
    expect(verdictsOf(performance).slice(2)).toEqual([
      "It does not stand above what the best of 12 trials shows by luck (probability 0.60).",
      "Its Sharpe ratio is not to be told apart from that of buy and hold (0.50, -0.20 to 1.10)."
    ])
  })

  it("claim nothing where nothing was traded", () => {
    const flat: Performance = {
      ...performance,
      exposure: { gross: 0, net: 0, timeInMarket: 0 },
      trades: { count: 0, profit: 0, hitRate: nothing, profitFactor: nothing },
      evidence: null
    }
    expect(verdictsOf(flat)).toEqual([
      "The committee claimed no edge from 2024-01-01 00:00Z to 2024-07-01 00:00Z, 1000 bars: it held nothing and traded nothing."
    ])
    expect(rowOf(flat, "track record needed")).toEqual(["track record needed", "-", "-"])
  })

  it("show a measure that is not there as a dash, and one with too many digits by its power of ten", () => {
    expect(rowOf(performance, "Sortino ratio")).toEqual(["Sortino ratio", "-", "-"])
    expect(rowOf(performance, "return a year")).toEqual(["return a year", "1.2e+8%", "-"])
    expect(rowOf(performance, "its length")?.[1]).toBe("7 bars down, not recovered")
    expect(measureRows(performance).flat().join()).not.toMatch(/NaN|Infinity|undefined|null/)
    expect(curveRows(performance).map(({ length }) => length)).toEqual([7, 7, 7])
  })
})
