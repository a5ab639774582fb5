import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { closedBy } from "../../../src/agents/backtest/featurePeeks.ts"
import { seriesOf } from "../../../src/agents/deep-learning/BarWindows.ts"
import {
  featureSeries,
  inputFeatures,
  inputFeaturesNames
} from "../../../src/agents/training/InputFeatures.ts"
import {
  barsBeforeOf,
  inputSchema,
  inputsOf,
  type SequenceInput
} from "../../../src/agents/training/ModelInput.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { makeAsOfSchedule } from "../../../src/market/AsOfSchedule.ts"
import { type BarSeries, barAt, closeTimeAt } from "../../../src/market/BarSeries.ts"
import { asNumber } from "../../../src/market/features/FeatureValue.ts"
import { makeInstrumentFeatures } from "../../../src/market/features/InstrumentFeatures.ts"
import { makeInstrumentWindows } from "../../../src/market/features/InstrumentWindows.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { keep, simulatedSeries } from "./bars.ts"

type Panel = readonly [BarSeries, ...ReadonlyArray<BarSeries>]

const bars = 120
const [alpha, bravo, charlie] = simulatedSeries({ bars, instruments: 3, world: "market" }) as [
  BarSeries,
  BarSeries,
  BarSeries
]
/** One with gaps, and one that begins late. */
const panel: Panel = [alpha, keep(bravo, (bar) => bar % 17 !== 5), keep(charlie, (bar) => bar >= 40)]

const input: SequenceInput = {
  kind: "sequence",
  features: "instruments",
  length: 3,
  standIns: inputFeatures.instruments.names.map((_, k) => 1_000 + k)
}

const { lookBack, names } = inputFeatures.instruments
const width = names.length

/** What a model sees at each as-of that has enough before it, by instrument and as-of. */
const seen = (instruments: ReadonlyArray<BarSeries>): ReadonlyMap<string, ReadonlyArray<number>> => {
  const fill = Either.getOrThrow(runThrough(inputsOf(input, instruments)))
  const rows = new Map<string, ReadonlyArray<number>>()
  for (const [i, series] of instruments.entries()) {
    for (let bar = barsBeforeOf(input); bar < series.close.length; bar++) {
      const row = new Float32Array(input.length * width)
      fill(i, bar, row, 0)
      rows.set(`${series.instrument.id} ${closeTimeAt(series, bar)}`, [...row])
    }
  }
  return rows
}

describe("the features that instruments have together, as a network sees them", () => {
  it("are those of each bar in the order of the as-ofs, and the stand-ins where there are none", () => {
    const features = makeInstrumentFeatures(panel.map(({ instrument }) => instrument.id))
    const vectors = new Map<string, ReadonlyArray<ReadonlyArray<number>>>()
    const rows = seen(panel)
    const standIn = (values: ReadonlyArray<number>) =>
      values.map((value, k) => Math.fround(Number.isNaN(value) ? (input.standIns?.[k] as number) : value))
    let compared = 0
    let absent = 0
    for (const { asOf, bars: closed } of Either.getOrThrow(makeAsOfSchedule(panel))) {
      features.push(asOf, closed).forEach(({ values }, i) => {
        const id = closed[i]?.instrument as string
        const all = [...(vectors.get(id) ?? []), values.map(asNumber)]
        vectors.set(id, all)
        const row = rows.get(`${id} ${asOf}`)
        expect(row !== undefined).toBe(all.length > barsBeforeOf(input))
        if (row === undefined) return
        expect(row).toEqual(all.slice(-input.length).flatMap(standIn))
        compared++
        if (row.some((value) => value >= 1_000)) absent++
      })
    }
    expect(compared).toBe(rows.size)
    expect(compared).toBeGreaterThan(200)
    // The correlation is absent while fewer than two were there throughout its window.
    expect(absent).toBeGreaterThan(10)
  })

  it("of a truncated history are those of the whole one, whoever is there", () => {
    const whole = seen(panel)
    const last = closeTimeAt(alpha, bars - 1)
    const first = closeTimeAt(alpha, 0)
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), (cutAt) => {
        const cut = seen(panel.map((one) => closedBy(one, cutAt)))
        for (const [key, row] of cut) expect([key, row]).toEqual([key, whole.get(key)])
        const expected = [...whole.keys()].filter((key) => Number(key.split(" ")[1]) <= cutAt)
        expect([...cut.keys()].sort()).toEqual(expected.sort())
      }),
      { numRuns: 25 }
    )
  })

  it("look at the others: one that moves otherwise changes what is seen of all", () => {
    const moved = {
      ...charlie,
      close: charlie.close.map((close, bar) => close * (bar % 2 === 0 ? 1.1 : 0.9))
    }
    const [before, after] = [seen([alpha, charlie]), seen([alpha, moved])]
    const changed = names.filter((_, k) =>
      [...before].some(([key, row]) => key.startsWith(alpha.instrument.id) && row[k] !== after.get(key)?.[k])
    )
    expect(changed).toEqual(["breadth", "correlation_24"])
  })

  it("are those that are followed as the bars come, where some of these have no volume", () => {
    const without = { ...alpha, volume: alpha.close.map((_, i) => (i === 60 ? Number.NaN : 1 + (i % 7))) }
    const came = Array.from(without.close, (_, i) => ({
      ...barAt(without, i, "test"),
      volume: i === 60 ? null : 1 + (i % 7)
    }))
    const windows = makeInstrumentWindows([alpha.instrument.id], 1)
    const live = came.map((bar) => {
      windows.push(bar.closeTime, [bar])
      return windows.at(alpha.instrument.id, bar.closeTime)?.[4]
    })
    const ofBars = seriesOf(alpha.instrument, alpha.timeFrame, came)
    const [rows] = Either.getOrThrow(runThrough(featureSeries("instruments", [ofBars])))
    const learned = came.map((_, i) => rows?.[(i - lookBack) * width + 4])
    expect(learned.slice(lookBack)).toEqual(live.slice(lookBack))
    const absent = learned.flatMap((value, i) => (i >= lookBack && Number.isNaN(value) ? [i] : []))
    expect(absent).toEqual(Array.from({ length: 24 }, (_, i) => 60 + i))
  })

  it("have names and a look-back as the others do", () => {
    for (const name of inputFeaturesNames) {
      const all = Either.getOrThrow(runThrough(featureSeries(name, panel)))
      const { lookBack: before, names: columns } = inputFeatures[name]
      expect(all.map(({ length }) => length / columns.length)).toEqual(
        panel.map(({ close }) => close.length - before)
      )
    }
    expect(inputSchema(input).names.slice(0, 2)).toEqual(["ret_1-2", "ret_24-2"])
    expect(barsBeforeOf(input)).toBe(lookBack + 2)
    expect(Either.getOrThrow(runThrough(featureSeries("instruments", [])))).toEqual([])
  })

  it("are refused for bars that cannot be followed together, and for a price beyond all numbers", () => {
    const minutes = { ...bravo, timeFrame: TimeFrame.make("1m") }
    const refusal = (instruments: ReadonlyArray<BarSeries>) =>
      Either.getOrThrow(Either.flip(runThrough(inputsOf(input, instruments)))).message
    expect(refusal([alpha, minutes])).toContain("one run takes one time frame")
    const close = alpha.close.slice()
    close[50] = 1e-320
    close[51] = 1e300
    expect(refusal([{ ...alpha, close, high: close.map(() => 1e308) }])).toMatch(
      /the bar of ALPHA at .*: the feature range is Infinity/
    )
    const { standIns, ...silent } = input
    expect(standIns).toBeDefined()
    expect(() => runThrough(inputsOf(silent, panel))).toThrow("nothing stands in")
  })
})
