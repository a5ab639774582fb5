import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  type StrategyBars,
  type StrategyName,
  strategyLookBack,
  strategyNames,
  strategyPositions
} from "../../../src/market/strategies/StrategyProfiles.ts"
import { cut, simulatedSeries } from "../../agents/training/bars.ts"

const [series] = simulatedSeries({ bars: 2_000, world: "market" }) as [ReturnType<typeof simulatedSeries>[0]]

/** Bars whose closes are these, after as many as are needed that alternate by a hundredth. */
const barsOf = (closes: ReadonlyArray<number>): StrategyBars => {
  const before = Array.from({ length: strategyLookBack + 1 }, (_, i) => (i % 2 === 0 ? 100 : 101))
  const close = Float64Array.from([...before, ...closes])
  return { close, high: close }
}
const at = (name: StrategyName, bars: StrategyBars, index = bars.close.length - 1) =>
  strategyPositions(bars, index)[strategyNames.indexOf(name)]

describe("the strategy profiles", () => {
  it("are eight, in a pinned order, standing aside first", () => {
    expect(strategyNames).toEqual([
      "stand-aside",
      "breakout",
      "mean-reversion",
      "contrarian",
      "trend-following",
      "volatility-target",
      "buy-and-hold",
      "short"
    ])
  })

  it("take the same positions whether the history ends at the as-of or goes on", () => {
    fc.assert(
      fc.property(fc.integer({ min: strategyLookBack, max: 1_999 }), (bar) => {
        expect(strategyPositions(cut(series, bar + 1), bar)).toEqual(strategyPositions(series, bar))
      })
    )
  })

  it("look no further back than they say", () => {
    fc.assert(
      fc.property(fc.integer({ min: strategyLookBack, max: 1_999 }), (bar) => {
        const from = bar - strategyLookBack
        const window = { close: series.close.slice(from, bar + 1), high: series.high.slice(from, bar + 1) }
        expect(strategyPositions(window, strategyLookBack)).toEqual(strategyPositions(series, bar))
      })
    )
    expect(() => strategyPositions(series, strategyLookBack - 1)).toThrow(RangeError)
    expect(() => strategyPositions(series, 2_000)).toThrow(RangeError)
  })

  it("take one side each, do so at some bars and not at others, and differ from each other", () => {
    const rows = Array.from({ length: 2_000 - strategyLookBack }, (_, i) =>
      strategyPositions(series, i + strategyLookBack)
    )
    const columns = strategyNames.map((_, k) => rows.map((row) => row[k] as number))
    columns.forEach((column, k) => {
      const [least, most] = [Math.min(...column), Math.max(...column)]
      expect(least).toBeGreaterThanOrEqual(-1)
      expect(most).toBeLessThanOrEqual(1)
      expect(least < 0 && most > 0).toBe(false)
      const isFixed = ["stand-aside", "buy-and-hold", "short"].includes(strategyNames[k] as string)
      expect(most > least).toBe(!isFixed)
    })
    expect(new Set(columns.map((column) => column.join())).size).toBe(strategyNames.length)
  })

  it("do what they are named for", () => {
    const rising = barsOf(Array.from({ length: 30 }, (_, i) => 101 * 1.01 ** i))
    expect(at("breakout", rising)).toBe(1)
    expect(at("trend-following", rising)).toBe(1)
    expect(at("contrarian", rising)).toBe(-1)
    expect(at("mean-reversion", rising)).toBe(0)
    const falling = barsOf(Array.from({ length: 30 }, (_, i) => 100 * 0.99 ** i))
    expect(at("breakout", falling)).toBe(0)
    expect(at("trend-following", falling)).toBe(0)
    expect(at("contrarian", falling)).toBe(0)
    expect(at("mean-reversion", falling)).toBe(1)
    // At its old high it has not broken out.
    expect(at("breakout", barsOf([101]))).toBe(0)
    expect(at("breakout", barsOf([101.001]))).toBe(1)
    // Returns three times as large as before: nine times the variance.
    const wild = barsOf(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 100 : 101 * (101 / 100) ** 2)))
    expect(at("volatility-target", wild, strategyLookBack)).toBeCloseTo(1, 12)
    const turning = at("volatility-target", wild, strategyLookBack + 16)
    expect(turning).toBeCloseTo((48 + 16 * 9) / 64 / 9, 1)
  })

  it("have positions where nothing moves", () => {
    const still = new Float64Array(200).fill(0.1)
    expect(strategyPositions({ close: still, high: still }, 150)).toEqual([0, 0, 0, 0, 0, 1, 1, -1])
  })
})
