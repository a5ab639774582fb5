import { describe, expect, it } from "@effect/vitest"
import { minutesBehindUtc, nyseSessionOn, nyseYears } from "../../../src/market/time/NyseSessions.ts"
import { at, dayMs } from "./bars.ts"

const sessionOf = (date: string) => nyseSessionOn(at(date) / dayMs)
const closeOf = (date: string): string | undefined => {
  const session = sessionOf(date)
  return session && new Date(session.closesAt).toISOString().slice(11, 16)
}
const firstDay = Date.UTC(nyseYears.first, 0, 1) / dayMs
const lastDay = Date.UTC(nyseYears.last, 11, 31) / dayMs

describe("the sessions of New York", () => {
  it("run from 09:30 to 16:00 there, in winter and in summer", () => {
    expect(sessionOf("2018-01-10")).toEqual({
      opensAt: at("2018-01-10T14:30:00Z"),
      closesAt: at("2018-01-10T21:00:00Z")
    })
    expect(sessionOf("2018-07-10")).toEqual({
      opensAt: at("2018-07-10T13:30:00Z"),
      closesAt: at("2018-07-10T20:00:00Z")
    })
  })

  it("follow daylight saving as the time zone database has it, on every day of every year", () => {
    const hourThere = new Intl.DateTimeFormat("en-GB", {
      timeZone: "America/New_York",
      hour: "2-digit",
      hourCycle: "h23"
    })
    const wrong: Array<string> = []
    for (let day = firstDay; day <= lastDay; day++) {
      const noon = new Date(day * dayMs + dayMs / 2 + 5 * 3_600_000)
      const behind = noon.getUTCHours() - Number(hourThere.format(noon))
      if (behind * 60 !== minutesBehindUtc(day, noon.getUTCFullYear())) wrong.push(noon.toISOString())
    }
    expect(wrong).toEqual([])
  })

  it.each([
    ["New Year's Day", "2019-01-01"],
    ["New Year's Day observed", "2017-01-02"],
    ["Martin Luther King's birthday", "2018-01-15"],
    ["Washington's birthday", "2018-02-19"],
    ["Good Friday in March", "2018-03-30"],
    ["Good Friday in April", "2019-04-19"],
    ["Memorial Day", "2018-05-28"],
    ["Juneteenth", "2023-06-19"],
    ["Juneteenth observed on Monday", "2022-06-20"],
    ["Independence Day observed on Friday", "2020-07-03"],
    ["Independence Day observed on Monday", "2021-07-05"],
    ["Labor Day", "2018-09-03"],
    ["Thanksgiving", "2018-11-22"],
    ["Christmas observed on Friday", "2021-12-24"],
    ["Christmas observed on Monday", "2022-12-26"],
    ["a day of mourning", "2025-01-09"],
    ["a storm", "2012-10-29"],
    ["a Saturday", "2018-11-24"]
  ])("are none on %s", (_, date) => {
    expect(sessionOf(date)).toBeUndefined()
  })

  it.each([
    ["before Saturday's New Year", "2021-12-31", "21:00"],
    ["on Martin Luther King's birthday before it was a holiday", "1997-01-20", "21:00"],
    ["on 19 June before it was a holiday", "2020-06-19", "20:00"],
    ["on the day after Thanksgiving", "2018-11-23", "18:00"],
    ["on the day after Thanksgiving in 1992", "1992-11-27", "19:00"],
    ["on Christmas Eve", "2018-12-24", "18:00"],
    ["on Christmas Eve in 1991", "1991-12-24", "19:00"],
    ["on Tuesday 3 July", "2018-07-03", "17:00"],
    ["on Wednesday 3 July until 2012", "2002-07-03", "20:00"],
    ["on Friday 5 July until 2012", "2002-07-05", "17:00"],
    ["on Wednesday 3 July since 2013", "2013-07-03", "17:00"],
    ["on Friday 5 July since 2013", "2013-07-05", "20:00"],
    ["at the circuit breaker", "1997-10-27", "20:30"]
  ])("close %s", (_, date, time) => {
    expect(closeOf(date)).toBe(time)
  })

  it("are 249 to 254 in each whole year without special closures, and none outside the years that are known", () => {
    const counts = new Map<number, number>()
    for (let day = firstDay - 400; day <= lastDay + 400; day++) {
      const year = new Date(day * dayMs).getUTCFullYear()
      if (nyseSessionOn(day) !== undefined) counts.set(year, (counts.get(year) ?? 0) + 1)
    }
    expect([counts.size, Math.min(...counts.keys())]).toEqual([
      nyseYears.last - nyseYears.first + 1,
      nyseYears.first
    ])
    // 2001 lost four days.
    expect([counts.get(2001), counts.get(2016), counts.get(2018)]).toEqual([248, 252, 251])
    for (const [year, count] of counts) {
      if (year !== 2001) expect([year, count >= 249 && count <= 254]).toEqual([year, true])
    }
  })
})
