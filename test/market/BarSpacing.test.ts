import { describe, expect, it } from "@effect/vitest"
import { countGaps, inferCalendar, inferTimeFrame } from "../../src/market/BarSpacing.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"

const hour = 3_600_000
const day = 24 * hour
const hourly = TimeFrame.make("1h")
const daily = TimeFrame.make("1d")
const dates = (...texts: ReadonlyArray<string>) => Float64Array.from(texts, (text) => Date.parse(text))
const times = (...ms: ReadonlyArray<number>) => Float64Array.from(ms)
const infer = (
  seriesTimes: ReadonlyArray<Float64Array>,
  dateOnly = false,
  nameTokens: ReadonlyArray<string> = []
) => inferTimeFrame({ seriesTimes, dateOnly, nameTokens })

describe("the time frame", () => {
  it("is the most frequent difference of the times of one instrument", () => {
    expect(infer([times(0, hour, 2 * hour, 9 * hour)])).toEqual({ timeFrame: "1h" })
    expect(infer([times(0, 300_000, 600_000)])).toEqual({ timeFrame: "5m" })
  })

  it("is not disturbed by instruments that follow one another at the same times", () => {
    const series = times(0, 4 * hour, 8 * hour)
    expect(infer([series, series, series])).toEqual({ timeFrame: "4h" })
  })

  it("is the smaller difference on a tie", () => {
    expect(infer([times(0, 2 * hour, 3 * hour)])).toEqual({ timeFrame: "1h" })
    expect(infer([times(0, hour, 3 * hour)])).toEqual({ timeFrame: "1h" })
  })

  it("is a day for dates alone, however thin they are, and a week where all lie whole weeks apart", () => {
    expect(infer([dates("2020-01-03")], true)).toEqual({ timeFrame: "1d" })
    expect(infer([dates("2020-01-03", "2020-01-06")], true)).toEqual({ timeFrame: "1d" })
    expect(
      infer([dates("2020-01-06", "2020-01-13", "2020-01-20", "2020-02-03", "2020-02-10")], true)
    ).toEqual({
      timeFrame: "1w"
    })
    expect(
      infer([dates("2020-01-06", "2020-01-13", "2020-01-20", "2020-01-27", "2020-01-28")], true)
    ).toEqual({
      timeFrame: "1d"
    })
  })

  it("is taken from the file name where there is no difference", () => {
    expect(infer([times(0)], false, ["btcusdt", "15m"])).toEqual({ timeFrame: "15m" })
    expect(infer([times(0), times(hour)])).toHaveProperty("reason")
  })

  it("is unclear where the most frequent difference is no whole number of seconds", () => {
    expect(infer([times(0, 1_500, 3_000)])).toHaveProperty("reason")
  })
})

describe("the calendar", () => {
  const week = dates("2020-01-02", "2020-01-03", "2020-01-06")

  it("is weekdays where a weekend is passed over and none is traded", () => {
    expect(inferCalendar([week], daily)).toBe("weekdays")
  })

  it("is always where any instrument trades on a weekend", () => {
    expect(inferCalendar([week, dates("2020-01-04")], daily)).toBe("always")
  })

  it("is always where no weekend has passed that could tell", () => {
    expect(inferCalendar([dates("2020-01-06", "2020-01-07", "2020-01-10")], daily)).toBe("always")
  })

  it("is always for bars of other lengths", () => {
    expect(inferCalendar([week], hourly)).toBe("always")
  })
})

describe("gaps", () => {
  it("count every missing interval under always", () => {
    expect(countGaps(times(0, hour, 3 * hour, 4 * hour, 9 * hour), hourly, "always")).toEqual({
      gaps: 2,
      barsMissing: 5
    })
    expect(countGaps(dates("2020-01-03", "2020-01-06"), daily, "always")).toEqual({ gaps: 1, barsMissing: 2 })
  })

  it("leave out weekends and count holidays under weekdays", () => {
    const friday = "2020-01-03"
    expect(countGaps(dates(friday, "2020-01-06"), daily, "weekdays")).toEqual({ gaps: 0, barsMissing: 0 })
    expect(countGaps(dates(friday, "2020-01-07"), daily, "weekdays")).toEqual({ gaps: 1, barsMissing: 1 })
    expect(countGaps(dates("2020-01-01", friday), daily, "weekdays")).toEqual({ gaps: 1, barsMissing: 1 })
    // The week after 2001-09-10: Tuesday to Friday are missing.
    expect(countGaps(dates("2001-09-10", "2001-09-17"), daily, "weekdays")).toEqual({
      gaps: 1,
      barsMissing: 4
    })
    expect(countGaps(dates("2020-01-01", "2020-01-29"), daily, "weekdays")).toEqual({
      gaps: 1,
      barsMissing: 19
    })
  })

  it("are none for one bar, and none for bars that stand closer than the time frame", () => {
    expect(countGaps(times(5 * day), daily, "always")).toEqual({ gaps: 0, barsMissing: 0 })
    expect(countGaps(times(0, hour / 2, hour), hourly, "always")).toEqual({ gaps: 0, barsMissing: 0 })
  })

  it("are not seen where daily bars shift by an hour of daylight saving", () => {
    expect(countGaps(times(0, day + hour, 2 * day + hour, 3 * day), daily, "always")).toEqual({
      gaps: 0,
      barsMissing: 0
    })
  })
})
