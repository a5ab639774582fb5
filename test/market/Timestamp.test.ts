import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isDateOnly, parseTimestamp } from "../../src/market/Timestamp.ts"

const eight = Date.UTC(2020, 9, 23, 8)

describe("Timestamp", () => {
  it("reads ISO 8601 in all its usual spellings as UTC", () => {
    for (const text of [
      "2020-10-23T08:00:00Z",
      "2020-10-23T08:00:00.000Z",
      "2020-10-23T08:00:00",
      "2020-10-23 08:00:00",
      "2020-10-23 08:00",
      "2020-10-23t08:00z",
      "2020-10-23 08:00:00 UTC",
      "2020-10-23T08:00:00+00:00",
      "2020-10-23T10:00:00+02:00",
      "2020-10-23T10:00:00+0200",
      "2020-10-23T10:00:00.0+02",
      "2020-10-23T02:30:00-05:30"
    ]) {
      expect([text, parseTimestamp(text)]).toEqual([text, eight])
    }
  })

  it("reads a date alone as its midnight", () => {
    expect(parseTimestamp("2020-10-23")).toBe(Date.UTC(2020, 9, 23))
    expect(parseTimestamp("20201023")).toBe(Date.UTC(2020, 9, 23))
    expect([isDateOnly("2020-10-23"), isDateOnly("20201023"), isDateOnly("2020-10-23 00:00")]).toEqual([
      true,
      true,
      false
    ])
    expect(isDateOnly("1603440000")).toBe(false)
  })

  it("reads an epoch in seconds, milliseconds and microseconds by its size", () => {
    expect(parseTimestamp("1603440000")).toBe(eight)
    expect(parseTimestamp("1603440000.0")).toBe(eight)
    expect(parseTimestamp("1603440000000")).toBe(eight)
    expect(parseTimestamp("1603440000000000")).toBe(eight)
  })

  it("keeps milliseconds and cuts off what is finer", () => {
    expect(parseTimestamp("2020-10-23T08:00:00.5Z")).toBe(eight + 500)
    expect(parseTimestamp("2020-10-23T08:00:00.123999Z")).toBe(eight + 123)
    expect(parseTimestamp("1603440000123999")).toBe(eight + 123)
  })

  it("gives a negative number before 1970", () => {
    expect(parseTimestamp("1969-12-31")).toBe(-86_400_000)
  })

  it("does not read what is no date, or may be two", () => {
    for (const text of [
      "",
      "A",
      "08:00",
      "23/10/2020",
      "10-23-2020",
      "2020-10",
      "2020-02-30",
      "2019-02-29",
      "2020-13-01",
      "2020-00-10",
      "2020-10-00",
      "2020-10-23T24:00:00Z",
      "2020-10-23T08:60",
      "2020-10-23T08:00:60Z",
      "2020-10-23T08",
      "2020-10-23T08:00:00.Z",
      "2020-10-23T08:00:00+2",
      "2020-10-23T08:00:00+02:00x",
      "2020-10-23T08:00:00 CET",
      "2020-10-23X08:00:00",
      "16034400",
      "1603440",
      "-1603440000",
      "1.6e9",
      "0x5f9288801",
      "160344000000000000000"
    ]) {
      expect([text, parseTimestamp(text)]).toEqual([text, Number.NaN])
    }
  })

  it("knows leap years", () => {
    expect(parseTimestamp("2020-02-29")).toBe(Date.UTC(2020, 1, 29))
    expect(parseTimestamp("2000-02-29")).toBe(Date.UTC(2000, 1, 29))
    expect(parseTimestamp("2100-02-29")).toBe(Number.NaN)
  })

  it("reads back every instant that is written as ISO 8601 or as an epoch", () => {
    const instant = fc.integer({ min: 100_000_000_000, max: Date.UTC(2200, 0, 1) })
    fc.assert(
      fc.property(instant, (ms) => {
        const iso = new Date(ms).toISOString()
        expect(parseTimestamp(iso)).toBe(ms)
        expect(parseTimestamp(iso.replace("T", " ").slice(0, -1))).toBe(ms)
        expect(parseTimestamp(String(ms))).toBe(ms)
        expect(parseTimestamp(`${ms}000`)).toBe(ms)
        expect(parseTimestamp(String(Math.floor(ms / 1000)))).toBe(Math.floor(ms / 1000) * 1000)
      })
    )
  })
})
