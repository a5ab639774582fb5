import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { makeAsOfSchedule } from "../../../src/market/AsOfSchedule.ts"
import { barAt as barOfSeries } from "../../../src/market/BarSeries.ts"
import { countGaps } from "../../../src/market/BarSpacing.ts"
import {
  barsBetween,
  closeTimeOf,
  dayOf,
  intervalStart,
  sessionOn
} from "../../../src/market/time/Calendar.ts"
import { sessionSeries } from "../../../src/market/time/sessionSeries.ts"
import type { Calendar } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { only, parse } from "../parseBars.ts"
import { at, day, dayMs, hour, hourMs, midnight } from "./bars.ts"

const calendars = fc.constantFrom<Calendar>("always", "weekdays", "nyse")

describe("a calendar", () => {
  it("closes the bar of a day with its session, and that of a week with its last session", () => {
    expect(closeTimeOf("nyse", dayMs, at("2018-11-23"))).toBe(at("2018-11-23T18:00:00Z"))
    expect(closeTimeOf("nyse", dayMs, at("2018-11-26"))).toBe(at("2018-11-26T21:00:00Z"))
    // Good Friday: the week ends on Thursday.
    expect(closeTimeOf("nyse", 7 * dayMs, at("2019-04-15"))).toBe(at("2019-04-18T20:00:00Z"))
  })

  it("closes where the interval ends for shorter bars, other calendars, and days without a session", () => {
    expect(closeTimeOf("nyse", hourMs, at("2018-11-23T17:30:00Z"))).toBe(at("2018-11-23T18:30:00Z"))
    expect(closeTimeOf("weekdays", dayMs, at("2018-11-23"))).toBe(at("2018-11-24"))
    expect(closeTimeOf("nyse", dayMs, at("2018-11-22"))).toBe(at("2018-11-23"))
  })

  it("begins weeks on Monday, and everything else at multiples from midnight", () => {
    expect(intervalStart(7 * dayMs, at("2024-01-07T23:59:00Z"))).toBe(midnight)
    expect(intervalStart(4 * hourMs, at("2024-01-02T07:59:00Z"))).toBe(at("2024-01-02T04:00:00Z"))
  })

  it("counts the bars that touch a session, as going through them one by one does", () => {
    const starts = fc.integer({ min: dayOf(at("2018-01-01")) * 24, max: dayOf(at("2019-01-01")) * 24 })
    const frames = fc.constantFrom(hourMs / 2, hourMs, 4 * hourMs, dayMs)
    fc.assert(
      fc.property(
        calendars,
        frames,
        starts,
        fc.integer({ min: 0, max: 200 }),
        (calendar, frame, hours, slots) => {
          const from = intervalStart(frame, hours * hourMs)
          const to = from + slots * frame
          let expected = 0
          for (let open = from; open < to; open += frame) {
            const touched = [dayOf(open), dayOf(open + frame - 1)].some((one) => {
              const session = sessionOn(calendar, one)
              return session !== undefined && session.opensAt < open + frame && session.closesAt > open
            })
            if (touched) expected++
          }
          expect(barsBetween(calendar, frame, from, to)).toBe(expected)
        }
      )
    )
  })

  it("finds no gap over nights, weekends and holidays, nor where daylight saving moves the bars", () => {
    const days = ["2018-11-21", "2018-11-23", "2018-11-26", "2018-11-28"].map(at)
    expect(countGaps(Float64Array.from(days), day, "nyse")).toEqual({ gaps: 1, barsMissing: 1 })
    const hours = ["2018-11-23T17:00:00Z", "2018-11-26T14:00:00Z", "2018-11-26T16:00:00Z"].map(at)
    expect(countGaps(Float64Array.from(hours), hour, "nyse")).toEqual({ gaps: 1, barsMissing: 1 })
    const midnightsThere = ["2018-11-02T04:00:00Z", "2018-11-05T05:00:00Z", "2018-11-06T05:00:00Z"].map(at)
    expect(countGaps(Float64Array.from(midnightsThere), day, "nyse").gaps).toBe(0)
    expect(countGaps(Float64Array.from(midnightsThere), day, "weekdays").gaps).toBe(0)
  })

  it("finds no gaps between whole weeks", () => {
    const weeks = Float64Array.of(midnight, midnight + 7 * dayMs, midnight + 21 * dayMs)
    for (const calendar of ["always", "weekdays", "nyse"] as const) {
      expect(countGaps(weeks, TimeFrame.make("1w"), calendar)).toEqual({ gaps: 1, barsMissing: 1 })
    }
  })
})

describe("a daily series on the calendar of an exchange", () => {
  const series = (...dates: ReadonlyArray<string>) =>
    only(parse("SPX_1d.csv", ["date,close", ...dates.map((date) => `${date},100`)].join("\n")))
  const dates = ["2018-11-19", "2018-11-20", "2018-11-21", "2018-11-23", "2018-11-26", "2018-11-28"]

  it("has bars that close with their sessions, under the same id", () => {
    const before = series(...dates)
    const { series: after } = Either.getOrThrow(sessionSeries(before, "nyse"))
    expect(after.instrument).toEqual({ ...before.instrument, calendar: "nyse" })
    expect([before.gaps, after.gaps, after.barsMissing]).toEqual([2, 1, 1])
    const bar = barOfSeries(after, 3, "test")
    expect([bar.closeTime, bar.knownAt]).toEqual(Array(2).fill(at("2018-11-23T18:00:00Z")))
    expect(barOfSeries(before, 3, "test").closeTime).toBe(at("2018-11-24"))
  })

  it("has its few bars of days without a session left out, and is refused when they are more", () => {
    const days = Array.from({ length: 2_000 }, (_, day) => at("2010-01-01") + day * dayMs)
    const dateOf = (time: number) => new Date(time).toISOString().slice(0, 10)
    const sessions = days.filter((time) => barsBetween("nyse", dayMs, time, time + dayMs) > 0).slice(0, 1_000)
    const holidays = days.filter(
      (time) =>
        barsBetween("weekdays", dayMs, time, time + dayMs) > 0 &&
        barsBetween("nyse", dayMs, time, time + dayMs) === 0
    )
    const withHolidays = (count: number) =>
      series(...[...sessions, ...holidays.slice(0, count)].sort((a, b) => a - b).map(dateOf))
    const clean = Either.getOrThrow(sessionSeries(withHolidays(0), "nyse"))
    expect(clean.strays.length).toBe(0)
    const dirty = Either.getOrThrow(sessionSeries(withHolidays(5), "nyse"))
    expect([...dirty.strays]).toEqual(holidays.slice(0, 5))
    expect(dirty.series).toEqual(clean.series)
    expect(dirty.series.open).toBe(dirty.series.close)
    const refusal = Either.getOrThrow(Either.flip(sessionSeries(withHolidays(6), "nyse")))
    expect(refusal).toMatchObject({ bars: 6, date: dateOf(holidays[0] as number) })
    expect(Either.isLeft(sessionSeries(withHolidays(1), "nyse", 0))).toBe(true)
  })

  it("is refused with the first date that is none of a session", () => {
    const refusal = Either.getOrThrow(
      Either.flip(sessionSeries(series("2018-11-21", "2018-11-22", "2018-11-23"), "nyse"))
    )
    expect(refusal.message).toContain("the first of 2018-11-22")
  })

  it("has as-ofs of its own beside a series that trades around the clock", () => {
    const { series: stock } = Either.getOrThrow(sessionSeries(series(...dates), "nyse"))
    const coin = only(parse("BTC_1d.csv", "date,close\n2018-11-23,1\n2018-11-24,2\n2018-11-25,3"))
    const schedule = Either.getOrThrow(makeAsOfSchedule([stock, coin]))
    const asOfs = [...schedule].map(({ asOf, bars }) => [asOf, ...bars.map(({ closeTime }) => closeTime)])
    expect(asOfs.length).toBe(9)
    for (const [asOf, ...closes] of asOfs) expect(closes).toEqual([asOf])
    expect(asOfs.map(([asOf]) => asOf)).toContain(at("2018-11-23T18:00:00Z"))
  })
})
