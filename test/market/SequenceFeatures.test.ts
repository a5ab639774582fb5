import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  barsNeeded,
  type SequenceBars,
  type SequenceFeatures,
  sequenceColumns,
  sequenceFeatures
} from "../../src/market/SequenceFeatures.ts"
import { TimeFrame, toMs } from "../../src/protocols/TimeFrame.ts"
import { Identifier } from "../../src/protocols/wire/Ids.ts"
import { simulated } from "../agents/feedEvents.ts"

const timeFrame = TimeFrame.make("1h")

/** Bars of one simulated instrument. */
const simulatedBars = (count: number): SequenceBars => {
  const bars = simulated({ seed: 3, count, instruments: 1 }).events.map(({ payload }) => {
    const [bar] = payload.bars
    if (bar === undefined) throw new Error("no bar")
    return bar
  })
  const column = (of: (bar: (typeof bars)[number]) => number) => Float64Array.from(bars, of)
  return {
    openTime: column(({ openTime }) => openTime),
    open: column(({ open }) => open),
    high: column(({ high }) => high),
    low: column(({ low }) => low),
    close: column(({ close }) => close),
    volume: column(({ volume }) => volume ?? 0),
    timeFrame
  }
}

const mapped = (
  bars: SequenceBars,
  map: (values: Float64Array, name: string) => Float64Array
): SequenceBars => ({
  ...bars,
  openTime: map(bars.openTime, "openTime"),
  open: map(bars.open, "open"),
  high: map(bars.high, "high"),
  low: map(bars.low, "low"),
  close: map(bars.close, "close"),
  volume: bars.volume === null ? null : map(bars.volume, "volume")
})

const at = (features: SequenceFeatures, bars: SequenceBars, index: number): ReadonlyArray<number> => {
  const out = new Float64Array(features.names.length + 2).fill(Number.NaN)
  features.fill(bars, index, out, 1)
  expect(out[0]).toBeNaN()
  expect(out.at(-1)).toBeNaN()
  return [...out.subarray(1, -1)]
}

const named = (features: SequenceFeatures, bars: SequenceBars, index: number) => {
  const values = at(features, bars, index)
  return Object.fromEntries(features.names.map((name, i) => [name, values[i] as number]))
}

const history = simulatedBars(300)
const last = history.close.length - 1
const kinds = Object.entries(sequenceFeatures)

for (const [kind, features] of kinds) {
  const anyIndex = fc.integer({ min: features.lookBack, max: last })

  describe(`the sequence features of ${kind}`, () => {
    it("have names that differ, and so have their columns, as many as a schema may have", () => {
      expect(new Set(features.names).size).toBe(features.names.length)
      const columns = sequenceColumns(features, 60)
      expect(columns.length).toBe(60 * features.names.length)
      expect(new Set(columns).size).toBe(columns.length)
      expect(columns.every(Schema.is(Identifier))).toBe(true)
      expect(columns[0]).toBe(`${features.names[0]}-59`)
      expect(columns.at(-1)).toBe(`${features.names.at(-1)}-0`)
    })

    it("of a truncated history equal those of the full one at the same as-of", () => {
      fc.assert(
        fc.property(anyIndex, (index) => {
          const truncated = mapped(history, (values) => values.slice(0, index + 1))
          expect(at(features, truncated, index)).toEqual(at(features, history, index))
        })
      )
    })

    it("do not see what came after the as-of, whatever it was", () => {
      fc.assert(
        fc.property(anyIndex, fc.double({ min: 0.01, max: 100, noNaN: true }), (index, factor) => {
          const other = mapped(history, (values, name) =>
            name === "openTime" ? values : values.map((value, i) => (i > index ? value * factor : value))
          )
          expect(at(features, other, index)).toEqual(at(features, history, index))
        })
      )
    })

    it("need no more than their look-back, and all of it", () => {
      fc.assert(
        fc.property(anyIndex, (index) => {
          const first = index - features.lookBack
          const window = mapped(history, (values) => values.slice(first, index + 1))
          expect(at(features, window, features.lookBack)).toEqual(at(features, history, index))
          const other = mapped(history, (values, name) =>
            name === "openTime" ? values : values.map((value, i) => (i === first ? value * 1.01 : value))
          )
          expect(at(features, other, index)).not.toEqual(at(features, history, index))
        })
      )
      expect(barsNeeded(features, 60)).toBe(features.lookBack + 60)
    })

    it("do not depend on the level of prices and volumes", () => {
      fc.assert(
        fc.property(anyIndex, fc.constantFrom(0.5, 2, 1_024), (index, scale) => {
          const scaled = mapped(history, (values, name) =>
            name === "openTime" ? values : values.map((value) => value * scale)
          )
          at(features, scaled, index).forEach((value, i) => {
            expect(value).toBeCloseTo(at(features, history, index)[i] as number, 9)
          })
        })
      )
    })

    it("are finite whatever sound bars come", () => {
      const price = fc.double({ min: 1e-6, max: 1e9, noNaN: true })
      const bar = fc.tuple(
        price,
        price,
        price,
        price,
        fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e300 }))
      )
      fc.assert(
        fc.property(fc.array(bar, { minLength: 21, maxLength: 21 }), fc.boolean(), (rows, hasVolume) => {
          const column = (of: (row: (typeof rows)[number]) => number) => Float64Array.from(rows, of)
          const bars: SequenceBars = {
            openTime: Float64Array.from(rows, (_, i) => i * toMs(timeFrame)),
            open: column(([open]) => open),
            high: column(([open, a, b, close]) => Math.max(open, a, b, close)),
            low: column(([open, a, b, close]) => Math.min(open, a, b, close)),
            close: column(([, , , close]) => close),
            volume: hasVolume ? column(([, , , , volume]) => volume) : null,
            timeFrame
          }
          expect(at(features, bars, 20).every(Number.isFinite)).toBe(true)
        })
      )
    })
  })
}

describe("the sequence features", () => {
  it("are what their definitions say", () => {
    const index = 200
    const { close, high, low, volume } = history as SequenceBars & { readonly volume: Float64Array }
    const c = (ago: number) => close[index - ago] as number
    const returns = Array.from({ length: 20 }, (_, i) => Math.log(c(i) / c(i + 1)))
    const v = Math.sqrt(returns.reduce((sum, change) => sum + change ** 2, 0) / 20)
    const mean =
      Array.from({ length: 20 }, (_, i) => volume[index - i] as number).reduce((a, b) => a + b) / 20
    const bars = named(sequenceFeatures.bars, history, index)
    expect(bars.ret_1).toBeCloseTo(Math.log(c(0) / c(1)), 12)
    expect(bars.ret_5).toBeCloseTo(Math.log(c(0) / c(5)), 12)
    expect(bars.ret_20).toBeCloseTo(Math.log(c(0) / c(20)), 12)
    expect(bars.volatility_20).toBeCloseTo(v, 12)
    expect(bars.range).toBeCloseTo(((high[index] as number) - (low[index] as number)) / c(0), 12)
    const height = (high[index] as number) - (low[index] as number)
    expect(bars.position).toBeCloseTo((c(0) - (low[index] as number)) / height, 12)
    expect(bars.volume_ratio).toBeCloseTo((volume[index] as number) / mean, 12)
    expect(bars.momentum_10).toBeCloseTo(Math.log(c(0) / c(10)) / (v * Math.sqrt(10)), 10)
    const candles = named(sequenceFeatures.candles, history, index)
    expect(candles.high).toBeCloseTo(Math.log((high[index] as number) / c(1)), 12)
    expect(candles.close).toBe(bars.ret_1)
    expect(candles.volume_ratio).toBe(bars.volume_ratio)
    expect(named(sequenceFeatures.returns, history, index)).toEqual({ ret_1: bars.ret_1 })
  })

  it("place the end of a bar on the circle of the day, and of the week where bars are daily", () => {
    const hours = (first: number, frame: TimeFrame) => {
      const bars = mapped(history, (values, name) =>
        name === "openTime" ? values.map((_, i) => first + i * toMs(frame)) : values
      )
      return { ...bars, timeFrame: frame }
    }
    const circle = (bars: SequenceBars, index: number) => {
      const { time_cos, time_sin } = named(sequenceFeatures.bars, bars, index)
      return [time_sin, time_cos]
    }
    const hourly = hours(Date.UTC(2024, 0, 1), TimeFrame.make("1h"))
    // The bar of 05:00 ends at 06:00, a quarter of the day.
    const [sin, cos] = circle(hourly, 29)
    expect(sin).toBeCloseTo(1, 12)
    expect(cos).toBeCloseTo(0, 12)
    expect(circle(hourly, 29 + 24)).toEqual([expect.closeTo(1, 12), expect.closeTo(0, 12)])
    // 2024-01-01 is a Monday; the bar of a Sunday ends where the week begins.
    const daily = hours(Date.UTC(2024, 0, 1), TimeFrame.make("1d"))
    expect(circle(daily, 27)).toEqual([expect.closeTo(0, 12), expect.closeTo(1, 12)])
    expect(circle(daily, 28)).toEqual([
      expect.closeTo(Math.sin((2 * Math.PI) / 7), 12),
      expect.closeTo(Math.cos((2 * Math.PI) / 7), 12)
    ])
  })

  it("have stand-ins where there is no volume, no range and no movement", () => {
    const still = Float64Array.from({ length: 40 }, () => 100)
    const bars: SequenceBars = {
      openTime: Float64Array.from(still, (_, i) => i * toMs(timeFrame)),
      open: still,
      high: still,
      low: still,
      close: still,
      volume: null,
      timeFrame
    }
    expect(named(sequenceFeatures.bars, bars, 30)).toMatchObject({
      ret_1: 0,
      volatility_20: 0,
      range: 0,
      position: 0.5,
      volume_ratio: 1,
      momentum_10: 0
    })
    const gapped = { ...bars, volume: Float64Array.from(still, (_, i) => (i === 9 ? Number.NaN : 1 + i)) }
    const ratioAt = (index: number) => named(sequenceFeatures.bars, gapped, index).volume_ratio
    expect([20, 28].map(ratioAt)).toEqual([1, 1])
    // The window of the bar at 29 begins behind the bar that has no volume: 30 over the mean of 11 to 30.
    expect(ratioAt(29)).toBeCloseTo(30 / 20.5, 12)
    const untraded = { ...bars, volume: new Float64Array(40) }
    expect(named(sequenceFeatures.candles, untraded, 30).volume_ratio).toBe(1)
  })
})
