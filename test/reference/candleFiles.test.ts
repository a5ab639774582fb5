/**
 * The candle patterns of every series of the reference data are those of TA-Lib, bar by bar: each of its values
 * is found, with its sign and size, and there is none besides.
 */
import { describe, expect, it } from "@effect/vitest"
import {
  candleClassColumn,
  candleClasses,
  makeCandleClassStream
} from "../../src/market/candles/CandleLabel.ts"
import {
  candlePatternColumns,
  candlePatterns,
  type PriceColumns
} from "../../src/market/candles/CandlePatterns.ts"
import { candleFiles, indicatorFiles, readTable, skippedTitle } from "./talibFiles.ts"

const pairs = [...candleFiles].flatMap(([series, candles]) => {
  const bars = indicatorFiles.get(series)
  return bars === undefined ? [] : [[series, bars, candles] as const]
})

const pricesOf = (path: string): PriceColumns => {
  const { numbers } = readTable(path)
  return { open: numbers("open"), high: numbers("high"), low: numbers("low"), close: numbers("close") }
}

const nonZero = (values: ArrayLike<number>): ReadonlyArray<readonly [bar: number, value: number]> =>
  Array.from(values, (value, bar) => [bar, value] as const).filter(([, value]) => value !== 0)

/** Who claims a bar first: TA-Lib's name, the sign of its value, and the class. */
const claims = [
  ["CDLMORNINGSTAR", 1, "morning star"],
  ["CDLEVENINGSTAR", -1, "evening star"],
  ["CDL3WHITESOLDIERS", 1, "three white soldiers"],
  ["CDL3BLACKCROWS", -1, "three black crows"],
  ["CDLENGULFING", 1, "bullish engulfing"],
  ["CDLENGULFING", -1, "bearish engulfing"],
  ["CDLHARAMI", 1, "bullish harami"],
  ["CDLHARAMI", -1, "bearish harami"],
  ["CDLDOJI", 1, "doji"],
  ["CDLHAMMER", 1, "hammer"],
  ["CDLINVERTEDHAMMER", 1, "inverted hammer"],
  ["CDLSHOOTINGSTAR", -1, "shooting star"],
  ["CDLHANGINGMAN", -1, "hanging man"]
] as const

describe.skipIf(pairs.length === 0)(
  pairs.length === 0 ? skippedTitle("candle patterns", "candles") : "candle patterns of TA-Lib",
  () => {
    describe.each(pairs)("%s", (_, barsPath, candlesPath) => {
      const prices = pricesOf(barsPath)
      const { column } = readTable(candlesPath)
      const bars = column("bar_index").map(Number)
      const values = column("value").map(Number)
      const expected = new Map<string, Array<readonly [number, number]>>()
      for (const [i, name] of column("pattern").entries()) {
        const found = expected.get(name) ?? []
        expected.set(name, found)
        found.push([bars[i] as number, values[i] as number])
      }
      const found = candlePatternColumns(prices)

      it("has bars and patterns", () => {
        expect(prices.open.length).toBeGreaterThan(0)
        expect(candlePatterns.some(({ talibName }) => expected.has(talibName))).toBe(true)
      })

      it.each(candlePatterns.map(({ talibName }, i) => [talibName, i] as const))("%s", (talibName, i) => {
        expect(nonZero(found[i] as Int8Array)).toEqual(expected.get(talibName) ?? [])
      })

      it("has at each bar the class of the pattern that claims it first, and none where there is none", () => {
        const classes = new Array<string>(prices.open.length).fill("none")
        for (const [talibName, sign, name] of [...claims].reverse()) {
          for (const [bar, value] of expected.get(talibName) ?? []) {
            if (Math.sign(value) === sign) classes[bar] = name
          }
        }
        expect(Array.from(candleClassColumn(prices), (at) => candleClasses[at])).toEqual(classes)
      })

      it("has the same classes pushed bar by bar", () => {
        const stream = makeCandleClassStream()
        const { close, high, low, open } = prices
        const pushed = Array.from(open, (price, i) =>
          stream.push(price, high[i] as number, low[i] as number, close[i] as number)
        )
        expect(pushed).toEqual([...candleClassColumn(prices)])
      })
    })
  }
)
