import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import fc from "fast-check"
import { parseDatedSeries } from "../../../src/market/streams/DatedSeries.ts"
import { logReturns } from "../../../src/market/streams/RecentBars.ts"
import {
  type ImpliedSeries,
  impliedColumns,
  volatilityAt
} from "../../../src/market/streams/volatilitySurface.ts"
import { VolatilityReading } from "../../../src/protocols/Streams.ts"
import { asOfAt, barOf, followedOf, instrumentOf, recentOf, simulated, startTime } from "./bars.ts"
import { drained } from "./series.ts"

const world = simulated({ seed: 5, count: 240, instruments: 3 })
const none = "no source is configured"
const available = (reading: VolatilityReading) => {
  if (reading.status === "unavailable") throw new Error(reading.reason)
  return reading.instruments
}

describe("the volatility surface", () => {
  it("is the deviation of the returns of each window, brought to a year by the calendar", () => {
    const followed = followedOf(world, 100)
    const [alpha] = available(volatilityAt(followed, none, asOfAt(99)))
    expect(alpha?.realised.map(({ windowBars }) => windowBars)).toEqual([16, 32, 64])
    expect(alpha?.barsPerYear).toBe(365 * 24)
    const returns = [...logReturns(followed[0]?.bars ?? [])].slice(-32)
    const mean = returns.reduce((sum, value) => sum + value, 0) / 32
    const variance = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 31
    expect(alpha?.realised[1]?.closeToClose[0]).toMatchObject({ horizonBars: 1 })
    expect(alpha?.realised[1]?.closeToClose[0]?.volatility).toBeCloseTo(Math.sqrt(variance * 365 * 24), 12)
    expect(
      alpha?.realised.map(({ closeToClose }) => closeToClose.map(({ horizonBars }) => horizonBars))
    ).toEqual([
      [1, 4],
      [1, 4],
      [1, 4, 16]
    ])
  })

  it("has the windows that there are bars for, and of closes alone no ranges", () => {
    const alpha = instrumentOf("ALPHA")
    const bars = Array.from({ length: 40 }, (_, i) =>
      barOf(alpha, i, { close: 100 + (i % 7), closeOnly: true })
    )
    const followed = [{ instrument: alpha, bars }]
    expect(volatilityAt(followed, none, asOfAt(15))).toMatchObject({ status: "unavailable" })
    const [one] = available(volatilityAt(followed, none, asOfAt(39)))
    expect(one?.realised.map(({ windowBars }) => windowBars)).toEqual([16, 32])
    expect(one?.realised[0]).toMatchObject({ parkinson: null, garmanKlass: null, yangZhang: null })
    expect(one?.implied).toEqual({ status: "unavailable", reason: none })
  })

  it("is 0 where nothing moves, and finite whatever the prices", () => {
    const alpha = instrumentOf("ALPHA")
    const still = Array.from({ length: 70 }, (_, i) => barOf(alpha, i, {}))
    const [one] = available(volatilityAt([{ instrument: alpha, bars: still }], none, asOfAt(69)))
    expect(one?.realised[2]).toMatchObject({ parkinson: 0, garmanKlass: 0, yangZhang: 0 })
    const price = fc.double({ min: 1e-8, max: 1e8, noNaN: true })
    fc.assert(
      fc.property(fc.array(price, { minLength: 70, maxLength: 70 }), (closes) => {
        const bars = closes.map((close, i) => barOf(alpha, i, { close, open: closes[i - 1] ?? close }))
        const reading = volatilityAt([{ instrument: alpha, bars }], none, asOfAt(69))
        expect(Schema.is(VolatilityReading)(reading)).toBe(true)
      }),
      { numRuns: 30 }
    )
  })

  it("of a history that was cut off is that of the whole", () => {
    const whole = followedOf(world, 240)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 240 }), (count) => {
        const asOf = asOfAt(count - 1)
        expect(volatilityAt(whole, none, asOf)).toEqual(volatilityAt(recentOf(world, count), none, asOf))
      })
    )
  })

  it("has the latest quote of each tenor that was known and is not old", () => {
    const day = 86_400_000
    const date = (days: number) => new Date(startTime + days * day).toISOString()
    const rows = [
      [0, "sim:ALPHA:spot", 30, 0.5],
      [1, "sim:ALPHA:spot", 30, 0.6],
      [1, "sim:ALPHA:spot", 7, 0.9],
      [2, "sim:BRAVO:spot", 30, 0.4]
    ].map(([days, ...rest]) => [date(Number(days)), ...rest].join(","))
    const text = ["date,instrument,tenor_days,implied_volatility", ...rows].join("\n")
    const series: ImpliedSeries = Either.getOrThrow(
      drained(
        parseDatedSeries(text, {
          name: "quotes",
          columns: impliedColumns,
          labelColumn: "instrument",
          keyColumns: ["tenor_days"],
          lagMs: 0
        })
      )
    )
    const alpha = instrumentOf("ALPHA")
    const bars = Array.from({ length: 24 * 12 }, (_, i) => barOf(alpha, i, { close: 100 + (i % 5) }))
    const impliedAfter = (days: number) =>
      available(volatilityAt([{ instrument: alpha, bars }], series, startTime + days * day))[0]?.implied
    expect(impliedAfter(0.9)).toMatchObject({ points: [{ tenorDays: 30, volatility: 0.5, at: startTime }] })
    expect(impliedAfter(3)).toMatchObject({
      points: [
        { tenorDays: 7, volatility: 0.9 },
        { tenorDays: 30, volatility: 0.6 }
      ]
    })
    expect(impliedAfter(9)).toMatchObject({ status: "unavailable" })
  })
})
