/**
 * The sessions of New York, computed by rule, are the dates of every daily file of the reference data in `equities`.
 *
 * What the files themselves have wrong is listed: sessions that the source of the volatility index left out, and one
 * value that it gives for a day of mourning. Each is checked against the other files.
 */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { gunzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { nyseSessionOn } from "../../src/market/time/NyseSessions.ts"
import { files, skippedTitle } from "./referenceFiles.ts"

const dayMs = 86_400_000

const linesOf = (path: string): ReadonlyArray<string> => {
  const bytes = readFileSync(path)
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").trimEnd().split("\n")
}

const daily = files
  .filter((path) => /\/equities\/[^/]+$/.test(path))
  .map((path) => ({ path, lines: linesOf(path) }))
  .filter(({ lines }) => lines[0]?.startsWith("date,"))
  .map(({ lines, path }) => {
    const dates = [...new Set(lines.slice(1).map((line) => line.slice(0, 10)))].sort()
    return { path, lines, dates: new Set(dates), first: dates[0] as string, last: dates.at(-1) as string }
  })

/** Left out by a file although the exchange was open. */
const holes = ["1991-03-01", "1997-01-31", "1997-11-26", "1999-12-31"]
/** Given by a file although the exchange was closed. */
const strays = ["2004-06-11"]

const sessionsBetween = (first: string, last: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let day = Date.parse(first) / dayMs; day <= Date.parse(last) / dayMs; day++) {
    if (nyseSessionOn(day) !== undefined) found.push(new Date(day * dayMs).toISOString().slice(0, 10))
  }
  return found
}

describe.skipIf(daily.length === 0)(
  daily.length === 0 ? skippedTitle("sessions of New York") : "sessions of New York",
  () => {
    it.each(daily.map((file) => [basename(file.path), file] as const))("are the dates of %s", (_, file) => {
      const sessions = sessionsBetween(file.first, file.last)
      const computed = new Set(sessions)
      expect(computed.size).toBeGreaterThan(500)
      expect(sessions.filter((date) => !file.dates.has(date) && !holes.includes(date))).toEqual([])
      expect([...file.dates].filter((date) => !computed.has(date) && !strays.includes(date))).toEqual([])
    })

    it("are in another file where one leaves them out, and in no other where one has a stray", () => {
      const lackedIn = (date: string) =>
        daily.filter(({ dates, first, last }) => first < date && date < last && !dates.has(date))
      const givenIn = (date: string) => daily.filter(({ dates }) => dates.has(date))
      for (const date of holes) {
        if (lackedIn(date).length > 0) expect([date, givenIn(date).length > 0]).toEqual([date, true])
      }
      for (const date of strays) {
        if (givenIn(date).length > 0) expect([date, lackedIn(date).length > 0]).toEqual([date, true])
      }
    })

    it("that close early are quiet: less is traded than on nine of ten of the others", () => {
      for (const { dates, lines, path } of daily) {
        const header = (lines[0] as string).split(",")
        const column = header.indexOf("volume")
        if (column < 0 || header.includes("ticker")) continue
        const volumes = lines.slice(1).map((line) => Number(line.split(",")[column]))
        const ratios = [...dates].map((date, i) => {
          const month = volumes.slice(Math.max(0, i - 20), i)
          const session = nyseSessionOn(Date.parse(date) / dayMs)
          const mean = month.reduce((sum, volume) => sum + volume, 0) / month.length
          return {
            ratio: (volumes[i] as number) / mean,
            isEarly: session !== undefined && session.closesAt - session.opensAt < 6.4 * 3_600_000
          }
        })
        const usual = ratios
          .slice(20)
          .filter(({ isEarly }) => !isEarly)
          .map(({ ratio }) => ratio)
          .sort((a, b) => a - b)
        const quiet = usual[Math.floor(usual.length / 10)] as number
        const early = ratios.filter(({ isEarly }) => isEarly)
        expect([basename(path), early.length > 0]).toEqual([basename(path), true])
        for (const { ratio } of early) expect(ratio).toBeLessThan(quiet)
      }
    })
  }
)
