import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  indicatorColumns,
  indicatorNames,
  lookbackBars,
  makeIndicatorStream
} from "../../../src/market/indicators/IndicatorColumns.ts"
import { columnsOf, type WalkBar, walks } from "./walks.ts"

const bars = walks(0, 80)

describe("the indicators of a history", () => {
  it("of a truncated history equal those of the full one at the same bar", () => {
    fc.assert(
      fc.property(bars, fc.nat(80), (history, length) => {
        const full = indicatorColumns(columnsOf(history))
        const cut = indicatorColumns(columnsOf(history.slice(0, length)))
        for (const name of indicatorNames) expect(cut[name]).toEqual(full[name].slice(0, length))
      })
    )
  })

  it("are those that the stream gives bar by bar", () => {
    fc.assert(
      fc.property(bars, (history) => {
        const stream = makeIndicatorStream(true)
        const columns = indicatorColumns(columnsOf(history))
        for (const [bar, one] of history.entries()) {
          const values = stream.push(...one)
          expect(Object.keys(values)).toEqual(indicatorNames)
          for (const name of indicatorNames) expect(values[name]).toBe(columns[name][bar])
        }
      })
    )
  })

  it("are numbers from the end of their look-back on, and not before, in a standstill too", () => {
    const still: ReadonlyArray<WalkBar> = Array.from({ length: 60 }, () => [100, 100, 100, 0])
    fc.assert(
      fc.property(fc.oneof(bars, fc.constant(still)), (history) => {
        const columns = indicatorColumns(columnsOf(history))
        for (const name of indicatorNames) {
          const areThere = Array.from(columns[name], Number.isFinite)
          expect([name, ...areThere]).toEqual([name, ...history.map((_, bar) => bar >= lookbackBars[name])])
        }
      })
    )
  })

  it("grow with the unit of the price, or do not depend on it", () => {
    const inUnits = new Set([
      "sma20",
      "ema20",
      "wma20",
      "macd",
      "macd_signal",
      "macd_hist",
      "bb_upper",
      "bb_middle",
      "bb_lower",
      "atr14",
      "true_range",
      "mom10",
      "stddev20",
      "sar_002_02"
    ])
    fc.assert(
      fc.property(bars, fc.constantFrom(2, 1_024), (history, unit) => {
        const columns = indicatorColumns(columnsOf(history))
        const scaled = indicatorColumns(
          columnsOf(
            history.map(([high, low, close, volume]) => [high * unit, low * unit, close * unit, volume])
          )
        )
        for (const name of indicatorNames) {
          const factor = inUnits.has(name) ? unit : 1
          expect([name, ...scaled[name]]).toEqual([name, ...columns[name].map((value) => value * factor)])
        }
      })
    )
  })

  it("are without those of volume where a series has none, and the others are as with it", () => {
    fc.assert(
      fc.property(bars, (history) => {
        const columns = columnsOf(history)
        const [full, without] = [columns, { ...columns, volume: null }].map(indicatorColumns) as [
          ReturnType<typeof indicatorColumns>,
          ReturnType<typeof indicatorColumns>
        ]
        for (const name of indicatorNames) {
          const isOfVolume = name === "mfi14" || name === "obv"
          expect(without[name]).toEqual(isOfVolume ? full[name].map(() => Number.NaN) : full[name])
        }
      })
    )
  })

  it("refuse a number that is not finite, and go on as if that bar had not been there", () => {
    const stream = makeIndicatorStream(true)
    const undisturbed = makeIndicatorStream(true)
    for (let bar = 0; bar < 40; bar++) {
      const one: WalkBar = [102 + (bar % 5), 98 - (bar % 3), 100 + (bar % 2), 10]
      for (const field of [0, 1, 2, 3]) {
        const none = field === 3 ? Number.POSITIVE_INFINITY : Number.NaN
        const spoilt = one.map((value, i) => (i === field ? none : value)) as unknown as WalkBar
        expect(() => stream.push(...spoilt)).toThrow(`Bar ${bar} holds a number that is not finite.`)
      }
      expect(stream.push(...one)).toEqual(undisturbed.push(...one))
    }
  })

  it("have those of volume begin anew behind a bar that has none, and the others do not mind", () => {
    fc.assert(
      fc.property(bars, fc.nat(79), (history, at) => {
        const without = history.map(
          (bar, i): WalkBar => (i === at ? [bar[0], bar[1], bar[2], Number.NaN] : bar)
        )
        const columns = indicatorColumns(columnsOf(without))
        const whole = indicatorColumns(columnsOf(history))
        const behind = indicatorColumns(columnsOf(history.slice(at + 1)))
        for (const name of indicatorNames) {
          const isOfVolume = name === "mfi14" || name === "obv"
          const expected = isOfVolume
            ? [...whole[name].slice(0, at), ...(at < history.length ? [Number.NaN] : []), ...behind[name]]
            : [...whole[name]]
          expect([name, ...columns[name]]).toEqual([name, ...expected])
        }
      })
    )
  })

  it("do not look at the volume of a series that has none", () => {
    expect(makeIndicatorStream(false).push(2, 1, 1.5, Number.NaN).obv).toBeNaN()
  })

  it("refuse columns of unequal length", () => {
    const columns = columnsOf([
      [2, 1, 1, 1],
      [2, 1, 1, 1]
    ])
    expect(() => indicatorColumns({ ...columns, volume: new Float64Array(3) })).toThrow(
      "The column volume has 3 rows where the others have 2."
    )
  })
})
