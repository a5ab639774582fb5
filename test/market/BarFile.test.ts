import { describe, expect, it } from "@effect/vitest"
import { type BarFileLimits, BarFileParser, barFileLimits } from "../../src/market/BarFile.ts"
import { columnsMax } from "../../src/market/BarFileHeader.ts"
import { only, parse, refusalOf, rowsOf } from "./parseBars.ts"

const hour = 3_600_000
const start = Date.UTC(2020, 9, 23, 8)
const ohlcv = `timestamp,open,high,low,close,volume
2020-10-23T08:00:00Z,10,12,9,11,100
2020-10-23T09:00:00Z,11,13,10,12,0
2020-10-23T10:00:00Z,12,12,12,12,7.5
`
const ohlcvRows = [
  [start, 10, 12, 9, 11, 100],
  [start + hour, 11, 13, 10, 12, 0],
  [start + 2 * hour, 12, 12, 12, 12, 7.5]
]
const dates = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]

/** Hourly rows, one of which is replaced. */
const hourly = (count: number, replace: Readonly<Record<number, string>> = {}) =>
  [
    "timestamp,open,high,low,close,volume",
    ...Array.from(
      { length: count },
      (_, i) => replace[i] ?? `${new Date(start + i * hour).toISOString()},10,12,9,11,100`
    )
  ].join("\n")

describe("a file of one instrument", () => {
  it("gives columns of bars", () => {
    const parsed = parse("/data/BTCUSDT_perp_1h.csv.gz", ohlcv)
    const series = only(parsed)
    expect(rowsOf(series)).toEqual(ohlcvRows)
    expect(series.closeOnly).toBe(false)
    expect(parsed).toMatchObject({
      path: "/data/BTCUSDT_perp_1h.csv.gz",
      layout: "single",
      timeFrame: "1h",
      rowsRead: 3,
      bars: 3,
      refused: 0,
      refusals: [],
      gaps: 0,
      barsMissing: 0
    })
  })

  it("takes its instrument from the file name", () => {
    expect(only(parse("x/BTCUSDT_perp_1h.csv.gz", ohlcv)).instrument).toEqual({
      id: "csv:BTCUSDT:perp",
      venue: "csv",
      symbol: "BTCUSDT",
      kind: "perp",
      tick: 1e-6,
      lot: 1e-6,
      currency: "USDT",
      calendar: "always"
    })
    expect(only(parse("BRK.B.csv", ohlcv)).instrument).toMatchObject({
      id: "csv:BRK.B:other",
      currency: "USD"
    })
    expect(only(parse("C:\\bars\\my own_SPOT.csv", ohlcv)).instrument.id).toBe("csv:my-own:spot")
  })

  it("takes the instrument that a person gave, in full or as a symbol", () => {
    const named = (instrument: string) =>
      only(parse("BTCUSDT_perp_1h.csv", ohlcv, { instrument })).instrument.id
    expect(named("binance:ETHUSDT:spot")).toBe("binance:ETHUSDT:spot")
    expect(named("ETHUSDT")).toBe("csv:ETHUSDT:perp")
    expect(refusalOf("a.csv", ohlcv, { instrument: "binance:ETHUSDT" })).toMatchObject({
      _tag: "BadInstrumentName",
      name: "binance:ETHUSDT"
    })
    expect(refusalOf("_perp_1h.csv", ohlcv)._tag).toBe("BadInstrumentName")
  })

  it("knows the usual names of columns in any case, and ignores other columns", () => {
    const header = "Trades,Close,LOW,High, open ,Volume,Quote Volume,Open Time"
    const parsed = parse(
      "a.csv",
      `${header}\n,11,9,12,10,100,x,1603440000000\n,12,10,13,11,0,y,1603443600000`
    )
    expect(rowsOf(only(parsed))).toEqual(ohlcvRows.slice(0, 2))
    const short = parse("a.csv", "t,o,h,l,c,v,n\n1603440000,10,12,9,11,100,1\n1603443600,11,13,10,12,0,1")
    expect(rowsOf(only(short))).toEqual(ohlcvRows.slice(0, 2))
  })

  it("reads quoted fields, semicolons, a byte order mark, carriage returns and blank lines", () => {
    const quoted = ohlcv.replaceAll(/[^,\n]+/g, (field) => `"${field}"`)
    expect(rowsOf(only(parse("a.csv", quoted)))).toEqual(ohlcvRows)
    expect(rowsOf(only(parse("a.csv", `\uFEFF${quoted}`)))).toEqual(ohlcvRows)
    expect(rowsOf(only(parse("a.csv", ohlcv.replaceAll(",", ";"))))).toEqual(ohlcvRows)
    const windows = `\uFEFF${ohlcv.replaceAll("\n", "\r\n\r\n")}`
    const parsed = parse("a.csv", windows)
    expect(rowsOf(only(parsed))).toEqual(ohlcvRows)
    expect(parsed.rowsRead).toBe(3)
  })

  it("has no volume where the file has none", () => {
    const series = only(parse("a.csv", ohlcv.replaceAll(/,[^,]*$/gm, "")))
    expect(series.volume).toBeNull()
    expect(series.closeOnly).toBe(false)
  })

  it("is close-only where open, high and low are not all there", () => {
    for (const text of [
      "date,close\n2020-01-02,10\n2020-01-03,11",
      "date,open,close,volume\n2020-01-02,9,10,5\n2020-01-03,9,11,5",
      "t,c,v\n2020-01-02,10,5\n2020-01-03,11,5"
    ]) {
      const series = only(parse("a.csv", text))
      expect(series.closeOnly).toBe(true)
      expect(rowsOf(series).map((row) => row.slice(1))).toEqual([
        [10, 10, 10, 10, null],
        [11, 11, 11, 11, null]
      ])
    }
  })

  it("takes the adjusted close only where there is no other, and then no unadjusted open with it", () => {
    const both = "date,open,high,low,adj_close,close\n2020-01-02,10,12,9,5,11"
    expect(rowsOf(only(parse("a.csv", both)))[0]).toEqual([Date.UTC(2020, 0, 2), 10, 12, 9, 11, null])
    const adjusted = "Date,Open,High,Low,Adj Close\n2020-01-02,10,12,9,5"
    const series = only(parse("a.csv", adjusted))
    expect(series.closeOnly).toBe(true)
    expect(rowsOf(series)[0]).toEqual([Date.UTC(2020, 0, 2), 5, 5, 5, 5, null])
  })

  it("is an equity on weekdays where daily bars pass over weekends", () => {
    const text = `date,close\n${dates.map((date) => `${date},10`).join("\n")}`
    expect(only(parse("KO.csv", text)).instrument).toMatchObject({
      id: "csv:KO:equity",
      calendar: "weekdays"
    })
    expect(only(parse("vix_index_1d.csv", text)).instrument).toMatchObject({
      id: "csv:vix:index",
      calendar: "weekdays"
    })
    expect(only(parse("KO.csv", `${text}\n2020-01-11,10`)).instrument).toMatchObject({
      id: "csv:KO:other",
      calendar: "always"
    })
  })

  it("counts gaps as places and as bars", () => {
    const lines = hourly(20).split("\n")
    const parsed = parse("a.csv", lines.filter((_, i) => ![5, 6, 12].includes(i)).join("\n"))
    expect(parsed).toMatchObject({ bars: 17, gaps: 2, barsMissing: 3 })
    expect(only(parsed)).toMatchObject({ gaps: 2, barsMissing: 3 })
  })
})

describe("a file of many rows", () => {
  it("loses none of them", () => {
    const count = 5_000
    const lines = Array.from(
      { length: count },
      (_, i) => `${(start + i * hour) / 1_000},${i + 1},${i + 3},${i + 1},${i + 2},${i}`
    )
    const parsed = parse("a.csv", ["time,open,high,low,close,volume", ...lines].join("\n"))
    expect(rowsOf(only(parsed))).toEqual(
      lines.map((_, i) => [start + i * hour, i + 1, i + 3, i + 1, i + 2, i])
    )
  })
})

describe("a bad row", () => {
  const at = new Date(start + 5 * hour).toISOString()
  const refusedFor = (row: string) => {
    const parsed = parse("a.csv", hourly(100, { 5: row }))
    expect([parsed.refused, parsed.bars, parsed.rowsRead]).toEqual([1, 99, 100])
    const [refusal] = parsed.refusals
    expect(refusal?.line).toBe(7)
    return refusal?.reason
  }

  it("is refused with line and reason and does not stop the rest", () => {
    expect(refusedFor(`${at},10,12,9,11`)).toBe("5 columns where the header has 6")
    expect(refusedFor(`${at},10,12,9,11,100,1`)).toBe("7 columns where the header has 6")
    expect(refusedFor(`${at},10,12,9,"11,100`)).toBe("a quote is not closed where its field ends")
    expect(refusedFor("soon,10,12,9,11,100")).toBe('the time "soon" cannot be read')
    expect(refusedFor(",10,12,9,11,100")).toBe("the time is empty")
    expect(refusedFor("1969-07-20,10,12,9,11,100")).toBe('the time "1969-07-20" is before 1970')
    expect(refusedFor(`${at},10,12,9,,100`)).toBe("close is empty")
    expect(refusedFor(`${at},ten,12,9,11,100`)).toBe('open "ten" is not a finite number')
    expect(refusedFor(`${at},10,Infinity,9,11,100`)).toBe('high "Infinity" is not a finite number')
    expect(refusedFor(`${at},10,1e999,9,11,100`)).toBe('high "1e999" is not a finite number')
    expect(refusedFor(`${at},10,12,0x9,11,100`)).toBe('low "0x9" is not a finite number')
    expect(refusedFor(`${at},10,12,NaN,11,100`)).toBe('low "NaN" is not a finite number')
    expect(refusedFor(`${at},10,12,0,11,100`)).toBe("low 0 is not positive")
    expect(refusedFor(`${at},10,12,-9,11,100`)).toBe("low -9 is not positive")
    expect(refusedFor(`${at},10,9,12,11,100`)).toBe("low 12 is above high 9")
    expect(refusedFor(`${at},8,12,9,11,100`)).toBe("open 8 lies outside low 9 to high 12")
    expect(refusedFor(`${at},13,12,9,11,100`)).toBe("open 13 lies outside low 9 to high 12")
    expect(refusedFor(`${at},10,12,9,8.99,100`)).toBe("close 8.99 lies outside low 9 to high 12")
    expect(refusedFor(`${at},10,12,9,12.01,100`)).toBe("close 12.01 lies outside low 9 to high 12")
    expect(refusedFor(`${at},10,12,9,11,-1`)).toBe("volume -1 is negative")
    expect(refusedFor(`${at},10,12,9,11,`)).toBe("volume is empty")
    expect(refusedFor(`${at},10,12,9,11,many`)).toBe('volume "many" is not a finite number')
    const before = new Date(start + 4 * hour).toISOString()
    expect(refusedFor(`${before},10,12,9,11,100`)).toBe(`the time "${before}" comes a second time`)
    const earlier = new Date(start + 2 * hour).toISOString()
    expect(refusedFor(`${earlier},10,12,9,11,100`)).toBe(
      `the time "${earlier}" is not after the one before, ${before}`
    )
    expect(refusedFor("x".repeat(barFileLimits.lineCharsMax + 1))).toContain("longer than 262144 characters")
  })

  it("does not move the time that the next row has to be after", () => {
    const far = "2029-01-01T00:00:00Z,13,12,9,11,100"
    expect(parse("a.csv", hourly(100, { 5: far })).bars).toBe(99)
  })

  it("is kept with its reason up to twenty times and counted always", () => {
    const bad = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i * 2, "?"]))
    const parsed = parse("a.csv", hourly(1_000, bad))
    expect(parsed.refused).toBe(30)
    expect(parsed.refusals).toHaveLength(20)
    expect(parsed.refusals.map(({ line }) => line)).toEqual(Array.from({ length: 20 }, (_, i) => 2 + i * 2))
  })

  it("stops the file when more than the allowed share is bad, and not at the share itself", () => {
    const bad = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [i, "?"]))
    expect(parse("a.csv", hourly(100, bad(5))).refused).toBe(5)
    const refusal = refusalOf("a.csv", hourly(100, bad(6)))
    expect(refusal).toMatchObject({
      _tag: "TooManyRowsRefused",
      refused: 6,
      rows: 100,
      share: 0.06,
      firstLine: 2
    })
    expect(refusal.message).toBe(
      "a.csv: 6 of 100 rows are refused, 6% where 5% are allowed; the first on line 2: 1 columns where the header has 6. Mend the file or allow a larger share."
    )
    expect(parse("a.csv", hourly(100, bad(6)), { refusedShareMax: 0.06 }).bars).toBe(94)
    expect(refusalOf("a.csv", hourly(100, bad(1)), { refusedShareMax: 0 })._tag).toBe("TooManyRowsRefused")
  })
})

describe("a file that is no bar file", () => {
  it("is refused by one line that says why", () => {
    const refused = refusalOf("cboe_total_put_call_1d.csv", "date,calls,puts\n2020-01-02,1,2")
    expect(refused._tag).toBe("NotABarFile")
    expect(refused.message).toBe(
      'cboe_total_put_call_1d.csv is no bar file: it has no close column, and no "close" in its name that would make each column an instrument; its first line reads date, calls, puts.'
    )
    expect(refusalOf("panel_sectors.csv", "ticker,sector\nA,Energy").message).toContain(
      "it has neither a time nor a close column"
    )
    expect(refusalOf("a.csv", "open,close\n1,2").message).toContain("it has no time column")
    expect(refusalOf("close.csv", "date\n2020-01-02").message).toContain("it has no column beside the time")
    expect(refusalOf("a.csv", "date,close,Close\n2020-01-02,1,2").message).toContain("the column close twice")
    expect(refusalOf("a.csv", '"date,close\n2020-01-02,1').message).toContain("open quote")
  })

  it("is not taken for bars because of a ticker that is called C", () => {
    const tickers = Array.from({ length: 30 }, (_, i) => `T${i}`)
    const volumes = ["date", "O", "H", "L", "C", "V", "T", ...tickers].join(",")
    expect(refusalOf("panel_volume_1d.csv", volumes)._tag).toBe("NotABarFile")
    expect(refusalOf("panel_volume_1d.csv", "date,C,KO")._tag).toBe("NotABarFile")
  })

  it("ends the reading at its header", () => {
    const parser = new BarFileParser({ path: "panel_sectors.csv" })
    expect([parser.push(""), parser.push("ticker,sector"), parser.push("A,Energy")]).toEqual([
      true,
      false,
      false
    ])
  })

  it("has more columns than any bar file", () => {
    const header = ["date", ...Array.from({ length: columnsMax }, (_, i) => `T${i}`)].join(",")
    expect(refusalOf("close.csv", header)).toMatchObject({ _tag: "BarFileTooLarge", what: "columns" })
  })
})

describe("a file without bars", () => {
  it("says so", () => {
    expect(refusalOf("a.csv", "")).toMatchObject({ _tag: "NoBars", reason: "it is empty" })
    expect(refusalOf("a.csv", "date,close\n\n")).toMatchObject({
      _tag: "NoBars",
      reason: "it has a header and no rows"
    })
    expect(refusalOf("close.csv", "date,A\n2020-01-02,")).toMatchObject({ _tag: "NoBars" })
  })

  it("or without a length of bars says that", () => {
    expect(refusalOf("a.csv", "time,close\n2020-01-02T00:00:00Z,1")._tag).toBe("TimeFrameUnclear")
    expect(parse("a_15m.csv", "time,close\n2020-01-02T00:00:00Z,1").timeFrame).toBe("15m")
  })
})

describe("a file beyond the limits", () => {
  it("is refused as too large, by what there is too much of", () => {
    const tooMuch = (text: string, limits: Partial<BarFileLimits>) => {
      const refusal = refusalOf("a.csv", text, { limits })
      return refusal._tag === "BarFileTooLarge" ? [refusal.what, refusal.limit] : refusal._tag
    }
    expect(parse("a.csv", hourly(10), { limits: { rowsMax: 10, barsMax: 10 } }).bars).toBe(10)
    expect(tooMuch(hourly(10), { rowsMax: 9 })).toEqual(["rows", 9])
    expect(tooMuch(hourly(10), { barsMax: 9 })).toEqual(["bars", 9])
    const symbols = ["A", "B", "C"].map((symbol) => `2020-01-02,${symbol},1`).join("\n")
    expect(tooMuch(`date,symbol,close\n${symbols}`, { instrumentsNamedMax: 2 })).toEqual(["instruments", 2])
    expect(parse("a.csv", `date,symbol,close\n${symbols}`, { limits: { instrumentsMax: 2 } }).bars).toBe(2)
    expect(refusalOf("a.csv", hourly(1), { limits: { lineCharsMax: 10 } })._tag).toBe("NotABarFile")
  })
})
