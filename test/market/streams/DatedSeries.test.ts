import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import {
  type DatedSeries,
  parseDatedSeries,
  rowsKnownAt,
  type SeriesLayout,
  seriesLimits
} from "../../../src/market/streams/DatedSeries.ts"
import { drained } from "./series.ts"

const day = 86_400_000
const layout: SeriesLayout<"value"> = {
  name: "figures.csv",
  columns: { value: { min: 0, max: 1_000 } },
  labelColumn: null,
  lagMs: 10 * day
}
const parsed = (text: string, changes: Partial<SeriesLayout<"value">> = {}) =>
  drained(parseDatedSeries(text, { ...layout, ...changes }))
const read = (text: string) => Either.getOrThrow(parsed(text))
const refusal = (text: string, changes: Partial<SeriesLayout<"value">> = {}) =>
  Either.getOrThrow(Either.flip(parsed(text, changes)))

const dateOf = (time: number) => new Date(time).toISOString().slice(0, 10)

describe("a dated series", () => {
  it("knows its figures by the lag, or from when they say, and passes over other columns", () => {
    const { rows } = read("﻿Date,note,value,known_at\r\n2024-01-01,x,5,\r\n2024-02-01,y,6,2024-02-03\r\n\r\n")
    const january = Date.UTC(2024, 0, 1)
    expect(rows).toEqual([
      { at: january, knownAt: january + 10 * day, label: "", values: { value: 5 } },
      { at: Date.UTC(2024, 1, 1), knownAt: Date.UTC(2024, 1, 3), label: "", values: { value: 6 } }
    ])
  })

  it("shows a correction from when it was known, and what stood there until then", () => {
    const series = read(
      [
        "date,value,known_at",
        "2024-01-01,5,2024-01-05",
        "2024-01-01,7,2024-03-01",
        "2024-02-01,6,2024-02-05"
      ].join("\n")
    )
    const valuesAt = (asOf: string) =>
      rowsKnownAt(series, 0, Date.parse(asOf)).map(({ at, values }) => [dateOf(at), values.value])
    expect(valuesAt("2024-01-04")).toEqual([])
    expect(valuesAt("2024-02-10")).toEqual([
      ["2024-01-01", 5],
      ["2024-02-01", 6]
    ])
    expect(valuesAt("2024-03-01")).toEqual([
      ["2024-01-01", 7],
      ["2024-02-01", 6]
    ])
    expect(rowsKnownAt(series, Date.parse("2024-01-15"), Date.parse("2024-03-01"))).toHaveLength(1)
  })

  it("that was cut off at an as-of shows what the whole shows at it", () => {
    const row = fc.record({ day: fc.nat(60), lag: fc.nat(30), value: fc.nat(1_000) })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), fc.nat(100), (all, asOfDay) => {
        const rows = all.map(({ day: at, lag, value }) => ({
          at: at * day,
          knownAt: (at + lag) * day,
          label: "",
          values: { value }
        }))
        const seriesOf = (some: typeof rows): DatedSeries<"value"> => ({
          name: "",
          keyColumns: [],
          rows: [...some].sort((a, b) => a.knownAt - b.knownAt)
        })
        const asOf = asOfDay * day
        const cut = seriesOf(rows.filter(({ knownAt }) => knownAt <= asOf))
        expect(rowsKnownAt(seriesOf(rows), 0, asOf)).toEqual(rowsKnownAt(cut, 0, Number.MAX_SAFE_INTEGER))
      })
    )
  })

  it.each([
    ["value\n5", 1, /has no column date/],
    ["date\n2024-01-01", 1, /has no column value/],
    ["date,value,value\n2024-01-01,5,5", 1, /has the column value twice/],
    ["date,value\n2024-01-01,5,6", 2, /2 fields/],
    ["date,value\n2024-13-01,5", 2, /a date that does not read/],
    ["date,value\n2024-01-01,", 2, /no number from 0 to 1000/],
    ["date,value\n2024-01-01,NaN", 2, /no number/],
    ["date,value\n2024-01-01,1e999", 2, /no number/],
    ["date,value\n2024-01-01,-1", 2, /no number/],
    ["date,value,known_at\n2024-01-01,5,soon", 2, /a known_at that does not read/],
    ["date,value,known_at\n2024-01-02,5,2024-01-01", 2, /known before its date/],
    [`date,value\n2024-01-01,${"5".repeat(seriesLimits.lineCharsMax)}`, 2, /too long/],
    [`date,${"x".repeat(seriesLimits.lineCharsMax)}`, 1, /too long/],
    [`date,value${",x".repeat(seriesLimits.fieldsMax)}`, 1, /more than 64 columns/],
    ["", 1, /has no column/],
    ['date,value\n"2024-01-01,5', 2, /fields/]
  ])("%j is refused with its line", (text, line, reason) => {
    const refused = refusal(text)
    expect(refused.line).toBe(line)
    expect(refused.message).toMatch(reason)
    expect(refused.message).toContain("figures.csv")
  })

  it("refuses a label that means nothing, and more rows than it may have", () => {
    const labelled = { labelColumn: "side", labels: ["buy", "sell"] }
    expect(refusal("date,side,value\n2024-01-01,hodl,5", labelled).message).toMatch(
      /none of buy, sell: "hodl"/
    )
    const row = "2024-01-01,5\n"
    expect(refusal(`date,value\n${row.repeat(seriesLimits.rowsMax + 1)}`)).toMatchObject({
      line: seriesLimits.rowsMax + 2
    })
    expect(read(`date,value\n${row.repeat(seriesLimits.rowsMax)}`).rows).toHaveLength(seriesLimits.rowsMax)
  })

  it("is read in steps", () => {
    const steps = parseDatedSeries(`date,value\n${"2024-01-01,5\n".repeat(5_000)}`, layout)
    let count = 0
    while (steps.next().done !== true) count++
    expect(count).toBeGreaterThanOrEqual(10)
  })
})
