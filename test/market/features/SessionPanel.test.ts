import { describe, expect, it } from "@effect/vitest"
import {
  daysMax,
  type PanelDay,
  sessionsMax,
  sessionsOf,
  takeSessionBar
} from "../../../src/market/features/SessionPanel.ts"
import { dayMs, dayOf } from "../../../src/market/time/Calendar.ts"
import { nyseSessionOn } from "../../../src/market/time/NyseSessions.ts"
import type { Calendar } from "../../../src/protocols/Instrument.ts"

const friday = dayOf(Date.UTC(2018, 10, 23))
const hourMs = 3_600_000
const bar = (day: number, hour: number, close: number, volume: number | null = 10) => ({
  openTime: day * dayMs + hour * hourMs,
  close,
  volume
})
const panelOf = (
  bars: ReadonlyArray<readonly [number, ReturnType<typeof bar>]>,
  calendar: Calendar = "nyse"
) => {
  const days: Array<PanelDay> = []
  for (const [place, one] of bars) takeSessionBar(days, [calendar, calendar], place, one)
  return days
}

describe("the sessions of a panel", () => {
  it("have the last close of each instrument, and what was traded of it", () => {
    const [day, next] = panelOf([
      [0, bar(friday, 14, 5)],
      [0, bar(friday, 15, 6)],
      [1, bar(friday, 14, 7, null)],
      [1, bar(friday, 15, 8, 3)],
      [0, bar(friday + 3, 14, 9)]
    ])
    expect(day).toEqual({
      day: friday,
      closes: Float64Array.of(6, 8),
      volumes: Float64Array.of(20, Number.NaN)
    })
    expect(next).toEqual({
      day: friday + 3,
      closes: Float64Array.of(9, Number.NaN),
      volumes: Float64Array.of(10, Number.NaN)
    })
  })

  it("close with the last of their calendars, and one on which nothing came is one too", () => {
    const days = panelOf([
      [0, bar(friday, 14, 5)],
      [0, bar(friday + 4, 14, 5)]
    ])
    const ofNewYork = sessionsOf(days, ["nyse", "nyse"])
    // The day after Thanksgiving closes early; Monday has no bars.
    expect(
      ofNewYork.map(({ closesAt, columns }) => [new Date(closesAt).toISOString(), columns === null])
    ).toEqual([
      ["2018-11-23T18:00:00.000Z", false],
      ["2018-11-26T21:00:00.000Z", true],
      ["2018-11-27T21:00:00.000Z", false]
    ])
    expect(sessionsOf([], ["nyse"])).toEqual([])
  })

  it("are of the days on which most of the panel has one, whoever else trades", () => {
    const days = panelOf(Array.from({ length: 8 }, (_, i) => [0, bar(friday + i, 14, 5)] as const))
    const daysOf = (calendars: ReadonlyArray<Calendar>) =>
      sessionsOf(days, calendars).map(({ day }) => day - friday)
    const [allDays, weekdays] = [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [0, 3, 4, 5, 6, 7]
    ]
    expect(daysOf(["always"])).toEqual(allDays)
    expect(daysOf(["always", "always", "nyse"])).toEqual(allDays)
    expect(daysOf(["always", "nyse"])).toEqual(weekdays)
    expect(daysOf(["always", "nyse", "nyse", "nyse", "nyse"])).toEqual(weekdays)
    // The last of the calendars closes it, of those that have it.
    expect(sessionsOf(days, ["always", "nyse", "nyse"])[0]?.closesAt).toBe((friday + 1) * dayMs)
    // Bars on a day that is nobody's make no session.
    expect(sessionsOf(panelOf([[0, bar(friday + 1, 14, 5)]]), ["nyse"])).toEqual([])
  })

  it("have no volume of an instrument on its first day, unless its bars begin with the session", () => {
    const volumesOf = (...hours: ReadonlyArray<number>) =>
      panelOf(
        hours.map((hour) => [0, bar(friday + Math.floor(hour / 24), hour % 24, 5)] as const),
        "always"
      ).map(({ volumes }) => volumes[0])
    expect(volumesOf(0, 1, 23, 24, 25)).toEqual([30, 20])
    expect(volumesOf(22, 23, 24, 25)).toEqual([Number.NaN, 20])
    // Later on the first bar of a day may be missing: nothing was traded in it, for all that is known.
    expect(volumesOf(0, 25, 26)).toEqual([10, 20])
    // Each instrument has a first day of its own; closes are those of the session all the same.
    const days = panelOf([
      [0, bar(friday, 14, 5)],
      [1, bar(friday, 15, 7)],
      [1, bar(friday + 3, 14, 8)]
    ])
    expect(days.map(({ closes, volumes }) => [...closes, ...volumes])).toEqual([
      [5, 7, 10, Number.NaN],
      [Number.NaN, 8, Number.NaN, 10]
    ])
  })

  it("are bounded, and a bar of a day that is gone makes none", () => {
    const many = Array.from({ length: 100 }, (_, i) => [0, bar(friday + i, 14, 5)] as const)
    const days = panelOf([...many, [0, bar(friday, 14, 5)], [1, bar(friday + 99, 15, 7)]])
    expect(days).toHaveLength(daysMax)
    expect([days[0]?.day, days.at(-1)?.day]).toEqual([friday + 100 - daysMax, friday + 99])
    expect(days.at(-1)?.closes).toEqual(Float64Array.of(5, 7))
    expect(sessionsOf(days, ["always"])).toHaveLength(sessionsMax)
    // As many sessions of New York as are wanted are among the days of a market without weekends.
    for (let count = daysMax; count < 400; count++) {
      const kept = panelOf(Array.from({ length: count }, (_, i) => [0, bar(friday + i, 14, 5)] as const))
      const ofNewYork = kept.filter(({ day }) => nyseSessionOn(day) !== undefined)
      expect(sessionsOf(ofNewYork, ["nyse"])).toHaveLength(sessionsMax)
    }
  })
})
