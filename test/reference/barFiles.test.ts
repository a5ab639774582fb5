/**
 * Every bar file of the reference data parses with the counts that follow from the file itself. They are
 * counted again here by a reader that shares nothing with the parser: it splits at commas, knows the layout
 * by the column names of this data, and walks from bar to bar to find what is missing.
 */
import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { makeAsOfSchedule } from "../../src/market/AsOfSchedule.ts"
import { BarFileParser, type ParsedBars, refusedShareMaxDefault } from "../../src/market/BarFile.ts"
import type { BarFileError } from "../../src/market/errors.ts"
import { toMs } from "../../src/protocols/TimeFrame.ts"
import { files, root, skippedTitle } from "./referenceFiles.ts"

const skipped = files.length === 0
const title = skipped ? skippedTitle("bar files") : `bar files of ${root}`

const linesOf = (path: string): Array<string> => {
  const bytes = readFileSync(path)
  const lines = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").split("\n")
  if (lines.at(-1) === "") lines.pop()
  return lines
}

const parse = (path: string, lines: ReadonlyArray<string>): Either.Either<ParsedBars, BarFileError> => {
  const parser = new BarFileParser({ path })
  for (const line of lines) if (!parser.push(line)) break
  return parser.finish()
}

const dayMs = 86_400_000

type Row = readonly [time: number, open: number, high: number, low: number, close: number]

/** The accepted bars by instrument, and how many were not accepted. */
const recount = (lines: ReadonlyArray<string>) => {
  const header = (lines[0] as string).toLowerCase().split(",")
  const column = (name: string) => header.indexOf(name)
  const ticker = column("ticker")
  const close = column("close") >= 0 ? column("close") : column("adj_close")
  const checked = ["open", "high", "low"].map(column)
  const volume = column("volume")
  const accepted = new Map<string, Array<Row>>()
  let refused = 0
  const take = (instrument: string, row: Row, isGood: boolean) => {
    const rows = accepted.get(instrument) ?? []
    accepted.set(instrument, rows)
    if (isGood && row[0] > (rows.at(-1)?.[0] ?? -1)) rows.push(row)
    else refused++
  }
  for (const line of lines.slice(1)) {
    const cells = line.split(",")
    const time = Date.parse(cells[0] as string)
    if (close < 0) {
      for (let i = 1; i < header.length; i++) {
        const text = cells[i] ?? "missing"
        const price = Number(text)
        const row: Row = [time, price, price, price, price]
        if (text !== "") take(header[i] as string, row, cells.length === header.length && price > 0)
      }
      continue
    }
    const price = Number(cells[close])
    const [open = price, high = price, low = price] = checked.every((i) => i >= 0)
      ? checked.map((i) => Number(cells[i]))
      : []
    const isGood =
      cells.length === header.length &&
      low > 0 &&
      low <= open &&
      open <= high &&
      low <= price &&
      price <= high &&
      (volume < 0 || (cells[volume] !== "" && Number(cells[volume]) >= 0))
    take(ticker < 0 ? "" : (cells[ticker] as string), [time, open, high, low, price], isGood)
  }
  const rows = [...accepted.values()].filter((one) => one.length > 0)
  const series = rows.map((one) => one.map(([time]) => time))
  return { rows, series, refused, bars: series.reduce((sum, times) => sum + times.length, 0) }
}

const mostFrequentStep = (series: ReadonlyArray<ReadonlyArray<number>>): number => {
  const steps = series.flatMap((times) => times.slice(1).map((time, i) => time - (times[i] as number)))
  const counts = new Map<number, number>()
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1)
  return [...counts].sort(([stepA, a], [stepB, b]) => b - a || stepA - stepB)[0]?.[0] ?? Number.NaN
}

/** Walks from each bar to the next, one time frame at a time. */
const missingBetween = (series: ReadonlyArray<ReadonlyArray<number>>, frameMs: number) => {
  const weekend = (time: number) => [0, 6].includes(new Date(time).getUTCDay())
  const weekdaysOnly = frameMs === dayMs && !series.flat().some(weekend)
  let gaps = 0
  let barsMissing = 0
  for (const times of series) {
    for (const [i, time] of times.slice(1).entries()) {
      let missing = 0
      for (let at = (times[i] as number) + frameMs; at < time; at += frameMs) {
        if (!weekdaysOnly || !weekend(at)) missing++
      }
      barsMissing += missing
      if (missing > 0) gaps++
    }
  }
  return { gaps, barsMissing }
}

const hasCloseColumn = (header: string) =>
  header
    .toLowerCase()
    .split(",")
    .some((name) => /^(adj_?)?close$/.test(name))
const hasCloseInName = (path: string) => (path.split("/").at(-1) as string).includes("close")

describe.skipIf(skipped)(title, () => {
  it("are there", () => {
    expect(files.length).toBeGreaterThan(0)
  })

  it.each(files.map((path) => [path.slice(root.length + 1), path] as const))("%s", (_, path) => {
    const lines = linesOf(path)
    const parsed = parse(path, lines)
    const isBarFile = hasCloseColumn(lines[0] as string) || hasCloseInName(path)
    if (!isBarFile) {
      const refusal = Either.getOrThrow(Either.flip(parsed))
      expect(refusal._tag).toBe("NotABarFile")
      expect(refusal.message.split("\n")).toHaveLength(1)
      return
    }
    const counted = recount(lines)
    if (counted.refused > refusedShareMaxDefault * (counted.refused + counted.bars)) {
      expect(Either.getOrThrow(Either.flip(parsed))).toMatchObject({
        _tag: "TooManyRowsRefused",
        refused: counted.refused
      })
      return
    }
    const found = Either.getOrThrow(parsed)
    expect(found).toMatchObject({ rowsRead: lines.length - 1, refused: counted.refused, bars: counted.bars })
    expect(found.refusals).toHaveLength(Math.min(20, counted.refused))
    const rowsFound = found.series.map(({ openTime, open, high, low, close }) =>
      Array.from(openTime, (time, i) => [time, open[i], high[i], low[i], close[i]])
    )
    expect(rowsFound).toEqual(counted.rows)
    const frameMs = toMs(found.timeFrame)
    expect(frameMs).toBe(mostFrequentStep(counted.series))
    const { gaps, barsMissing } = found
    expect({ gaps, barsMissing }).toEqual(missingBetween(counted.series, frameMs))
    const [first, ...others] = found.series
    if (first === undefined) throw new Error("no series")
    const schedule = Either.getOrThrow(makeAsOfSchedule([first, ...others]))
    expect([schedule.length, schedule.bars]).toEqual([new Set(counted.series.flat()).size, counted.bars])
  })
})
