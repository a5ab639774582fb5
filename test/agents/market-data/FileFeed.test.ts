import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Feed } from "../../../src/agents/market-data/Feed.ts"
import { openFileFeed } from "../../../src/agents/market-data/FileFeed.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { dailyText, sessionDates } from "../../support/sessions.ts"
import { settingsWith } from "../settings.ts"
import { put } from "./files.ts"

const dates = sessionDates("2018-01-02", "2018-12-31")

const feedOf = (path: string, calendar?: string) =>
  openFileFeed(
    settingsWith({
      "marketData.source": "csv",
      "marketData.paths": path,
      ...(calendar === undefined ? {} : { "marketData.calendar": calendar })
    }).marketData
  )

/** The close of each bar by the date that it opens on. */
const closesOf = (feed: Feed): ReadonlyMap<string, string> => {
  const next = Effect.runSync(Effect.scoped(feed.from({ index: 0, asOf: null, active: null })))
  const closes = new Map<string, string>()
  for (;;) {
    const bars = Effect.runSync(next)?.bars
    if (bars === undefined) return closes
    for (const { closeTime, knownAt, openTime } of bars) {
      expect(knownAt).toBe(closeTime)
      closes.set(
        new Date(openTime).toISOString().slice(0, 10),
        new Date(closeTime).toISOString().slice(5, 16)
      )
    }
  }
}

describe("the calendar of bar files", () => {
  it.scopedLive(
    "puts each date at the close of its session: in winter, in summer, and where it closes early",
    () =>
      Effect.gen(function* () {
        const feed = yield* feedOf(put(yield* temporaryDirectory, "SPX_1d.csv", dailyText(dates)), "nyse")
        const closes = closesOf(feed)
        expect(feed).toMatchObject({ total: 251, gaps: 0, barsMissing: 0 })
        expect(feed.instruments.map(({ calendar }) => calendar)).toEqual(["nyse"])
        // Daylight saving from 11 March to 4 November; 13:00 in New York before the Fourth, after Thanksgiving, on Christmas Eve.
        const expected = {
          "2018-01-02": "01-02T21:00",
          "2018-03-09": "03-09T21:00",
          "2018-03-12": "03-12T20:00",
          "2018-07-03": "07-03T17:00",
          "2018-11-02": "11-02T20:00",
          "2018-11-05": "11-05T21:00",
          "2018-11-23": "11-23T18:00",
          "2018-12-24": "12-24T18:00",
          "2018-12-31": "12-31T21:00"
        }
        for (const [date, close] of Object.entries(expected))
          expect([date, closes.get(date)]).toEqual([date, close])
      })
  )

  it.scopedLive(
    "is what the days of the bars tell unless it is named, and changes the run's fingerprint then alone",
    () =>
      Effect.gen(function* () {
        const path = put(yield* temporaryDirectory, "SPX_1d.csv", dailyText(dates))
        const [usual, auto, weekdays, always, nyse] = [
          yield* feedOf(path),
          yield* feedOf(path, "auto"),
          yield* feedOf(path, "weekdays"),
          yield* feedOf(path, "always"),
          yield* feedOf(path, "nyse")
        ]
        expect(auto.fingerprint).toBe(usual.fingerprint)
        const named = [usual, weekdays, always, nyse]
        expect(new Set(named.map(({ fingerprint }) => fingerprint)).size).toBe(4)
        expect(named.map(({ instruments }) => instruments[0]?.calendar)).toEqual([
          "weekdays",
          "weekdays",
          "always",
          "nyse"
        ])
        // The kind, and with it the name, is what the file tells.
        expect(new Set(named.map(({ instruments }) => instruments[0]?.id))).toEqual(
          new Set(["csv:SPX:equity"])
        )
        // Nine closures on weekdays, and weekends on top of them where trading never stops.
        expect(named.map(({ barsMissing }) => barsMissing)).toEqual([9, 9, 113, 0])
        expect(closesOf(weekdays).get("2018-07-03")).toBe("07-04T00:00")
      })
  )

  it.scopedLive("refuses in one line what is of no session, and names the first date of it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const refusal = (name: string, more: ReadonlyArray<string>, calendar = "nyse") => {
        const text = dailyText([...dates.slice(0, 40), ...more].sort())
        return Effect.map(Effect.flip(feedOf(put(directory, name, text), calendar)), ({ message }) => message)
      }
      // A day of mourning came on 5 December; Good Friday was on 30 March.
      expect(yield* refusal("A_1d.csv", ["2018-12-05", "2018-03-30"])).toBe(
        "csv:SPX:equity does not trade by the calendar nyse: 2 of its bars are of days without a session, the first of 2018-03-30. Remove them or choose another calendar."
      )
      expect(yield* refusal("B_1d.csv", ["2018-02-03"])).toContain("the first of 2018-02-03.")
      expect(yield* refusal("C_1d.csv", ["2018-02-03"], "weekdays")).toContain("the first of 2018-02-03.")
      // Before the years that the rules hold for, nothing is a session.
      expect(yield* refusal("D_1d.csv", ["1987-10-19"])).toContain("the first of 1987-10-19.")
    })
  )
})
