import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  noLabel,
  pickRows,
  type QuestionOptions,
  type QuestionRows,
  questionBarsBefore,
  questionRows
} from "../../../src/agents/training/QuestionRows.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import { featureSchema, featuresAt } from "../../../src/market/Features.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { sessionDates } from "../../support/sessions.ts"
import { costs, cut, keep, simulatedSeries } from "./bars.ts"

const horizonBars = 4
const options: QuestionOptions = { barsBefore: 70, horizonBars, costs, matured: true }
const rowsOf = (series: ReadonlyArray<BarSeries>, changes: Partial<QuestionOptions> = {}) =>
  runThrough(questionRows(series, { ...options, ...changes }))

const series = simulatedSeries({ bars: 300, instruments: 2 })
const [first] = series as readonly [BarSeries, BarSeries]

/** What is known at the as-of. */
const questions = ({ asOf, band, bar, instrument, sigma }: QuestionRows) =>
  [...asOf].map((time, i) => [time, instrument[i], bar[i], sigma[i], band[i]])

describe("the rows of questions", () => {
  it("are there at every as-of that has enough before it and is decided, of every instrument, in time order", () => {
    const rows = rowsOf(series)
    expect(rows.rows).toBe(2 * (300 - 70 - horizonBars))
    expect([...rows.asOf]).toEqual([...rows.asOf].sort((a, b) => a - b))
    expect([...rows.instrument.slice(0, 4)]).toEqual([0, 1, 0, 1])
    expect(rows.bar[0]).toBe(70)
    expect(rows.asOf[0]).toBe(first.openTime[71] as number)
    expect(rowsOf(series, { barsBefore: 3 }).bar[0]).toBe(questionBarsBefore)
  })

  it("ask what the running system asks: the return from the next open to the end of the horizon, in sigmas", () => {
    const rows = rowsOf([first])
    for (const i of [0, 57, rows.rows - 1]) {
      const bar = rows.bar[i] as number
      const logReturn = Math.log((first.close[bar + horizonBars] as number) / (first.open[bar + 1] as number))
      const out = new Float64Array(featureSchema(0).names.length)
      const sigma = featuresAt(first.close, bar, 0, out) * Math.sqrt(horizonBars)
      const band = Math.max(2 * 7e-4, 0.25 * sigma)
      expect(rows.sigma[i]).toBe(sigma)
      expect(rows.band[i]).toBeCloseTo(band, 15)
      expect(rows.z[i]).toBeCloseTo(logReturn / sigma, 12)
      expect(rows.label[i]).toBe(logReturn > band ? 2 : logReturn < -band ? 0 : 1)
      expect(rows.labelEnd[i]).toBe(
        first.openTime[bar + horizonBars + 1] ?? (first.openTime[bar + horizonBars] as number) + 3_600_000
      )
    }
  })

  it("are asked, and matured, when sessions close where there are sessions", () => {
    const dates = sessionDates("2018-06-01", "2018-12-31")
    const daily: BarSeries = {
      ...cut(first, dates.length),
      timeFrame: TimeFrame.make("1d"),
      openTime: Float64Array.from(dates, Date.parse),
      instrument: { ...first.instrument, calendar: "nyse" }
    }
    const { asOf, bar, labelEnd } = rowsOf([daily])
    const closes = new Map([...bar].map((at, i) => [dates[at], [asOf[i], labelEnd[i]]]))
    // Four sessions after the Wednesday before Thanksgiving; the Friday between closes early.
    expect(closes.get("2018-11-20")).toEqual([
      Date.parse("2018-11-20T21:00Z"),
      Date.parse("2018-11-27T21:00Z")
    ])
    expect(closes.get("2018-11-23")?.[0]).toBe(Date.parse("2018-11-23T18:00Z"))
    expect(closes.get("2018-12-18")?.[1]).toBe(Date.parse("2018-12-24T18:00Z"))
    expect(closes.get("2018-10-30")).toEqual([
      Date.parse("2018-10-30T20:00Z"),
      Date.parse("2018-11-05T21:00Z")
    ])
  })

  it("fill at the close that follows where there are closes alone", () => {
    const closes: BarSeries = {
      ...first,
      open: first.close,
      high: first.close,
      low: first.close,
      volume: null,
      closeOnly: true
    }
    const rows = rowsOf([closes])
    expect(rows.rows).toBe(300 - 70 - horizonBars - 1)
    const bar = rows.bar[9] as number
    const logReturn = Math.log(
      (first.close[bar + horizonBars + 1] as number) / (first.close[bar + 1] as number)
    )
    expect((rows.z[9] as number) * (rows.sigma[9] as number)).toBeCloseTo(logReturn, 12)
  })

  it("of one as-of are in the order of the instruments, whenever each of them began", () => {
    const [one, two, three] = simulatedSeries({ bars: 200, instruments: 3 }) as [
      BarSeries,
      BarSeries,
      BarSeries
    ]
    const late = keep(two, (bar) => bar >= 40)
    const { asOf, instrument, rows } = rowsOf([one, late, three])
    expect(rows).toBe(3 * (200 - 70 - horizonBars) - 40)
    const places = [...asOf.keys()].sort(
      (a, b) =>
        (asOf[a] as number) - (asOf[b] as number) || (instrument[a] as number) - (instrument[b] as number)
    )
    expect(places).toEqual([...asOf.keys()])
  })

  it("are put in order and into columns in steps", () => {
    const bars = 12_000
    const one = simulatedSeries({ bars: 80 })[0] as BarSeries
    const repeated = (column: Float64Array) =>
      Float64Array.from({ length: bars }, (_, i) => column[i % 80] as number)
    const openTime = Float64Array.from(
      { length: bars },
      (_, i) => (one.openTime[0] as number) + i * 3_600_000
    )
    const long = { ...one, openTime, open: repeated(one.open), close: repeated(one.close) }
    const steps = [...questionRows([long, long], options)].length
    // One of each thousand bars that are looked at, and one of each five thousand rows, twice: merged, then copied.
    expect(steps).toBeGreaterThanOrEqual((2 * bars) / 1_000 + (2 * 2 * bars) / 5_000)
  })

  it("of a truncated history are those of the full one, as far as they are known", () => {
    const whole = rowsOf(series)
    fc.assert(
      fc.property(fc.integer({ min: 80, max: 299 }), (bars) => {
        const truncated = rowsOf(
          series.map((one) => cut(one, bars)),
          { matured: false }
        )
        const known = 2 * (bars - 70)
        expect(truncated.rows).toBe(known)
        const common = Math.min(known, whole.rows)
        expect(questions(truncated).slice(0, common)).toEqual(questions(whole).slice(0, common))
        const decided = 2 * (bars - 70 - horizonBars)
        expect([...truncated.z.slice(0, decided)]).toEqual([...whole.z.slice(0, decided)])
        expect([...truncated.label.slice(decided)]).toEqual(
          Array.from({ length: 2 * horizonBars }, () => noLabel)
        )
        expect(truncated.z.slice(decided).every(Number.isNaN)).toBe(true)
      }),
      { numRuns: 20 }
    )
  })

  it("are none where nothing moves, and where there is too little", () => {
    const still = { ...first, close: first.close.map(() => 100) }
    expect(rowsOf([still]).rows).toBe(0)
    expect(rowsOf([cut(first, 74)]).rows).toBe(0)
    expect(rowsOf([cut(first, 75)]).rows).toBe(1)
  })

  it("can be picked by their index", () => {
    const rows = rowsOf(series)
    const picked = pickRows(rows, Uint32Array.of(3, 100))
    expect(questions(picked)).toEqual([questions(rows)[3], questions(rows)[100]])
    expect([...picked.label]).toEqual([rows.label[3], rows.label[100]])
  })
})
