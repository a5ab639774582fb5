import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { type InequalitySeries, inequalityAt } from "../../../src/market/streams/inequalityMomentum.ts"
import { emptyMarket, observe } from "../../../src/market/streams/MarketSeries.ts"
import { InequalityReading } from "../../../src/protocols/Streams.ts"
import { asOfAt, barOf, followedOf, instrumentOf, marketOf, recentOf, simulated } from "./bars.ts"

const world = simulated({ seed: 11, count: 260, instruments: 5 })
const available = (reading: InequalityReading) => {
  if (reading.status === "unavailable") throw new Error(reading.reason)
  return reading
}

/** Half the mean absolute difference of two of them over the mean. */
const meanDifference = (amounts: ReadonlyArray<number>): number => {
  const n = amounts.length
  const mean = amounts.reduce((sum, one) => sum + one, 0) / n
  let differences = 0
  for (const a of amounts) for (const b of amounts) differences += Math.abs(a - b)
  return differences / (2 * n * (n - 1) * mean)
}

/** Four instruments, of which the last takes a rising share of the volume, in a market of a given drift. */
const concentrating = (count: number, growth: number, drift: number) => {
  const instruments = ["A", "B", "C", "D"].map((symbol) => instrumentOf(symbol))
  const market = emptyMarket()
  for (let i = 0; i < count; i++) observe(market, asOfAt(i), [drift])
  const followed = instruments.map((instrument, place) => ({
    instrument,
    bars: Array.from({ length: count }, (_, i) =>
      barOf(instrument, i, {
        close: 100 * Math.exp(drift * i),
        volume: place === 3 ? 10 * Math.exp(growth * i) : 10
      })
    )
  }))
  return { followed, market }
}

describe("inequality and momentum", () => {
  it("read the Gini coefficient of the dollar volume of the last 24 bars", () => {
    const followed = followedOf(world, 100)
    const reading = available(inequalityAt(followed, marketOf(world, 100), null, asOfAt(99)))
    const volumes = followed.map(({ bars }) =>
      bars.slice(-24).reduce((sum, { close, volume }) => sum + close * (volume ?? 0), 0)
    )
    expect(reading.gini).toBeCloseTo(meanDifference(volumes), 9)
    expect(reading.giniOf).toBe("dollar-volume")
    expect(reading.instruments).toHaveLength(5)
  })

  it("signal a moment where both rise, one where both fall, and none where they part", () => {
    const read = (growth: number, drift: number) => {
      const { followed, market } = concentrating(60, growth, drift)
      return available(inequalityAt(followed, market, null, asOfAt(59)))
    }
    expect(read(0.02, 0.001)).toMatchObject({ moment: "rising" })
    expect(read(0.02, 0.001).signal).toBeGreaterThan(0.9)
    expect(read(0.02, -0.001)).toMatchObject({ moment: "none", signal: 0 })
    expect(read(0, 0.001)).toMatchObject({ moment: "none", signal: 0, trend: 0 })
    // From a concentrated market back to an even one.
    const falling = concentrating(60, -0.02, -0.001)
    const volumesFell = falling.followed.map((one, place) => ({
      ...one,
      bars: one.bars.map((bar, i) => ({ ...bar, volume: place === 3 ? 1_000 * Math.exp(-0.02 * i) : 10 }))
    }))
    expect(inequalityAt(volumesFell, falling.market, null, asOfAt(59))).toMatchObject({ moment: "falling" })
  })

  it("take a series from outside in the place of volumes, as it was known", () => {
    const day = 86_400_000
    const series: InequalitySeries = {
      name: "gini.csv",
      keyColumns: [],
      rows: Array.from({ length: 40 }, (_, i) => ({
        at: asOfAt(59) - (40 - i) * day,
        knownAt: asOfAt(59) - (40 - i) * day + 5 * day,
        label: "",
        values: { gini: 0.4 + 0.001 * i }
      }))
    }
    const { followed, market } = concentrating(60, 0, 0.001)
    const reading = available(inequalityAt(followed, market, series, asOfAt(59)))
    expect(reading).toMatchObject({ giniOf: "series", moment: "rising" })
    expect(reading.gini).toBeCloseTo(0.4 + 0.001 * 35, 12)
    expect(
      inequalityAt(followed, market, { ...series, rows: series.rows.slice(0, 5) }, asOfAt(59))
    ).toMatchObject({
      status: "unavailable"
    })
    expect(inequalityAt(followed, market, "the file is gone", asOfAt(59))).toEqual({
      status: "unavailable",
      reason: "the file is gone"
    })
  })

  it("are unavailable with too few instruments, too few bars, or no volumes", () => {
    const market = marketOf(world, 100)
    const followed = followedOf(world, 100)
    expect(inequalityAt(followed.slice(0, 2), market, null, asOfAt(99))).toMatchObject({
      status: "unavailable"
    })
    expect(inequalityAt(followedOf(world, 20), market, null, asOfAt(19))).toMatchObject({
      status: "unavailable"
    })
    const volumeless = followed.map(({ bars, instrument }) => ({
      instrument,
      bars: bars.map((bar) => ({ ...bar, volume: null }))
    }))
    expect(inequalityAt(volumeless, market, null, asOfAt(99))).toMatchObject({ status: "unavailable" })
  })

  it("stay within their bounds when nobody or one alone trades, or bars are missing", () => {
    const volume = fc.constantFrom(0, 1, 1e12, 1e-9)
    const rows = fc.array(fc.tuple(volume, volume, volume, fc.boolean()), { minLength: 60, maxLength: 60 })
    const market = marketOf(world, 60)
    fc.assert(
      fc.property(rows, (all) => {
        const followed = ["A", "B", "C"].map((symbol, place) => {
          const instrument = instrumentOf(symbol)
          return {
            instrument,
            bars: all.flatMap((row, i) =>
              place === 0 && row[3] ? [] : [barOf(instrument, i, { volume: row[place as 0 | 1 | 2] })]
            )
          }
        })
        expect(Schema.is(InequalityReading)(inequalityAt(followed, market, null, asOfAt(59)))).toBe(true)
      }),
      { numRuns: 50 }
    )
  })

  it("of a history that was cut off are those of the whole", () => {
    const [whole, market] = [followedOf(world, 260), marketOf(world, 260)]
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 260 }), (count) => {
        const asOf = asOfAt(count - 1)
        expect(inequalityAt(whole, market, null, asOf)).toEqual(
          inequalityAt(recentOf(world, count), marketOf(world, count), null, asOf)
        )
      }),
      { numRuns: 60 }
    )
  })
})
