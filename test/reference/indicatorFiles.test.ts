/**
 * Every column of every indicator file of the reference data is met to 1e-9 of its value, bar by bar, and what is
 * empty there is not a number here. Nothing but the bars' own columns is left out, so that a column which nobody
 * computes fails. There is no allowance near 0: sums run in TA-Lib's order, so that even what rounding leaves of a
 * 0 is the same.
 */
import { describe, expect, it } from "@effect/vitest"
import {
  type IndicatorName,
  indicatorColumns,
  indicatorNames,
  makeIndicatorStream
} from "../../src/market/indicators/IndicatorColumns.ts"
import { indicatorFiles, readTable, skippedTitle } from "./talibFiles.ts"

const relativeErrorMax = 1e-9
const barColumns = ["date", "timestamp", "open", "high", "low", "close", "volume"]

const isIndicator = (name: string): name is IndicatorName =>
  (indicatorNames as ReadonlyArray<string>).includes(name)

describe.skipIf(indicatorFiles.size === 0)(
  indicatorFiles.size === 0 ? skippedTitle("indicators", "indicators") : "indicators of TA-Lib",
  () => {
    describe.each([...indicatorFiles])("%s", (_, path) => {
      const { header, numbers } = readTable(path)
      const bars = {
        high: numbers("high"),
        low: numbers("low"),
        close: numbers("close"),
        volume: numbers("volume")
      }
      const found = indicatorColumns(bars)

      it("has bars", () => {
        expect(bars.close.length).toBeGreaterThan(0)
      })

      it.each(header.filter((name) => !barColumns.includes(name)))("%s", (name) => {
        if (!isIndicator(name)) throw new Error(`no indicator is called ${name}`)
        const values = found[name]
        let worst = 0
        for (const [bar, expected] of numbers(name).entries()) {
          const value = values[bar] as number
          if (Number.isNaN(expected) || Number.isNaN(value)) {
            expect([bar, value]).toEqual([bar, expected])
            continue
          }
          const error = value === expected ? 0 : Math.abs(value - expected) / Math.abs(expected)
          if (!(error <= relativeErrorMax)) expect([bar, value]).toEqual([bar, expected])
          worst = Math.max(worst, error)
        }
        expect(worst).toBeLessThanOrEqual(relativeErrorMax)
      })

      it("has the same values pushed bar by bar", () => {
        const stream = makeIndicatorStream(true)
        for (let bar = 0; bar < bars.close.length; bar++) {
          const values = stream.push(
            bars.high[bar] as number,
            bars.low[bar] as number,
            bars.close[bar] as number,
            bars.volume[bar] as number
          )
          for (const name of indicatorNames) expect(values[name]).toBe(found[name][bar])
        }
      })
    })
  }
)
