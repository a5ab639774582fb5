import { describe, expect, it } from "@effect/vitest"
import { BarFileParser } from "../../src/market/BarFile.ts"
import { only, parse, refusalOf } from "./parseBars.ts"

const dates = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]

describe("a long file", () => {
  const header = "date,ticker,open,high,low,close,volume"
  const row = (date: string, ticker: string, close = 10) => `${date},${ticker},10,12,9,${close},100`
  const byTicker = [header, ...["KO", "PG"].flatMap((ticker) => dates.map((date) => row(date, ticker)))].join(
    "\n"
  )
  const byDate = [header, ...dates.flatMap((date) => [row(date, "KO"), row(date, "PG", 11)])].join("\n")

  it("gives a series per instrument, whichever way it is sorted", () => {
    for (const text of [byTicker, byDate]) {
      const parsed = parse("stocks_1d.csv", text)
      expect(parsed).toMatchObject({ layout: "long", timeFrame: "1d", rowsRead: 8, bars: 8, refused: 0 })
      expect(parsed.series.map(({ instrument }) => instrument.id)).toEqual(["csv:KO:equity", "csv:PG:equity"])
      expect(parsed.series.map(({ openTime }) => openTime.length)).toEqual([4, 4])
    }
    expect(parse("stocks_1d.csv", byDate).series.map(({ close }) => close[0])).toEqual([10, 11])
  })

  it("keeps time rising per instrument", () => {
    const parsed = parse("a.csv", `${byTicker}\n${row("2020-01-03", "KO")}`, { refusedShareMax: 0.2 })
    expect(parsed).toMatchObject({ bars: 8, refused: 1 })
    expect(parsed.refusals[0]).toMatchObject({ line: 10, reason: expect.stringContaining("is not after") })
  })

  it("refuses a row without a proper symbol", () => {
    const parsed = parse("a.csv", `${byDate}\n${row("2020-01-08", "")}\n${row("2020-01-08", "K O")}`, {
      refusedShareMax: 0.2
    })
    expect(parsed.refusals.map(({ reason }) => reason)).toEqual([
      "the instrument is empty",
      '"K O" is no symbol'
    ])
  })

  it("keeps the selected instruments, by symbol or by id, and does not judge the rows of others", () => {
    const ids = (symbols: ReadonlyArray<string>) =>
      parse("a.csv", byDate.replace("PG,10", "PG,bad"), { symbols }).series.map(
        ({ instrument }) => instrument.id
      )
    expect(ids(["KO"])).toEqual(["csv:KO:equity"])
    expect(ids(["csv:KO:equity"])).toEqual(["csv:KO:equity"])
    expect(ids(["XOM", "KO"])).toEqual(["csv:KO:equity"])
    expect(refusalOf("a.csv", byDate, { symbols: ["XOM"] })).toMatchObject({
      _tag: "NothingSelected",
      symbols: ["XOM"],
      found: ["KO", "PG"]
    })
    expect(refusalOf("a.csv", byDate, { symbols: ["csv:KO:spot"] })).toMatchObject({
      _tag: "NothingSelected",
      found: ["csv:KO:equity", "csv:PG:equity"]
    })
  })

  it("keeps the first so many instruments", () => {
    const parsed = parse("a.csv", byDate, { instrumentsMax: 1 })
    expect(parsed.series.map(({ instrument }) => instrument.symbol)).toEqual(["KO"])
    expect(parsed.bars).toBe(4)
    expect(parse("a.csv", byDate, { instrumentsMax: 1, symbols: ["PG"] }).series[0]?.instrument.symbol).toBe(
      "PG"
    )
  })

  it("takes a given name where it holds one instrument, and refuses it where it holds more", () => {
    const one = byDate
      .split("\n")
      .filter((line) => !line.includes("PG"))
      .join("\n")
    expect(only(parse("a.csv", one, { instrument: "nyse:KO:equity" })).instrument.id).toBe("nyse:KO:equity")
    expect(refusalOf("a.csv", byDate, { instrument: "KO" })).toMatchObject({
      _tag: "SeveralInstruments",
      found: ["KO", "PG"]
    })
  })
})

describe("a wide file", () => {
  const wide = `date,KO,C,LOW
2020-01-02,10,20,30
2020-01-03,11,,31
2020-01-06,12,22,32
2020-01-07,13,23,33
`

  it("is known by `close` in its name and has an instrument per column, whatever its ticker", () => {
    const parsed = parse("panel_adj_close_1d.csv", wide)
    expect(parsed).toMatchObject({ layout: "wide", timeFrame: "1d", rowsRead: 4, bars: 11, refused: 0 })
    expect(parsed.series.map(({ instrument }) => instrument.id)).toEqual([
      "csv:KO:equity",
      "csv:C:equity",
      "csv:LOW:equity"
    ])
    expect(parsed.series.every(({ closeOnly, volume }) => closeOnly && volume === null)).toBe(true)
    expect(Array.from(parsed.series[2]?.close ?? [])).toEqual([30, 31, 32, 33])
    expect(refusalOf("panel_1d.csv", wide)._tag).toBe("NotABarFile")
  })

  it("is not misled by tickers that are called O, H, L, C or TIME", () => {
    const symbols = (header: string) =>
      parse("close_1d.csv", `${header}\n2020-01-02,1,2,3,4`).series.map(({ instrument }) => instrument.symbol)
    expect(symbols("date,O,H,L,C")).toEqual(["O", "H", "L", "C"])
    expect(symbols("date,TIME,TS,T,A")).toEqual(["TIME", "TS", "T", "A"])
  })

  it("takes an empty cell as no bar: a gap, nothing to refuse", () => {
    const [, second] = parse("close.csv", wide).series
    expect(Array.from(second?.openTime ?? [])).toEqual(
      ["2020-01-02", "2020-01-06", "2020-01-07"].map((date) => Date.parse(date))
    )
    expect(second).toMatchObject({ gaps: 1, barsMissing: 1 })
  })

  it("refuses a bad cell alone, and a row without a usable time with all its cells", () => {
    const cells = parse("close.csv", wide.replace("22", "x").replace("12", "-1"), { refusedShareMax: 0.5 })
    expect(cells).toMatchObject({ bars: 9, refused: 2 })
    expect(cells.refusals).toEqual([
      { line: 4, reason: "KO -1 is not positive" },
      { line: 4, reason: 'C "x" is not a finite number' }
    ])
    const rows = parse("close.csv", `${wide}2020-01-07,1,2,3\n2020-01-08,1,2\nnever,1,2,3`, {
      refusedShareMax: 0.5
    })
    expect(rows).toMatchObject({ bars: 11, refused: 9, rowsRead: 7 })
    expect(rows.refusals.map(({ line }) => line)).toEqual([6, 7, 8])
    expect(rows.refusals.map(({ reason }) => reason)).toEqual([
      'the time "2020-01-07" comes a second time',
      "3 columns where the header has 4",
      'the time "never" cannot be read'
    ])
  })

  it("measures the share of refused cells, not of rows", () => {
    expect(refusalOf("close.csv", wide.replace("22", "x").replace("12", "-1"))).toMatchObject({
      _tag: "TooManyRowsRefused",
      refused: 2,
      rows: 11,
      unit: "cells"
    })
  })

  it("selects columns by name and by number, and says at once when none is left", () => {
    const symbols = (options: { symbols?: ReadonlyArray<string>; instrumentsMax?: number }) =>
      parse("close.csv", wide, options).series.map(({ instrument }) => instrument.symbol)
    expect(symbols({ instrumentsMax: 2 })).toEqual(["KO", "C"])
    expect(symbols({ symbols: ["LOW", "C"], instrumentsMax: 1 })).toEqual(["C"])
    const parser = new BarFileParser({ path: "close.csv", symbols: ["XOM"] })
    expect(parser.push("date,KO,C,LOW")).toBe(false)
    expect(refusalOf("close.csv", wide, { symbols: ["XOM"] })).toMatchObject({
      _tag: "NothingSelected",
      found: ["KO", "C", "LOW"]
    })
  })

  it("reads the index of a table without a name as the time", () => {
    expect(parse("close.csv", wide.replace("date", "")).bars).toBe(11)
    expect(parse("close.csv", wide.replaceAll(/^(?=.)/gm, "0,").replace("0,date", ",date")).bars).toBe(11)
  })

  it("refuses columns that are no symbols or come twice", () => {
    expect(refusalOf("close.csv", wide.replace("LOW", "Low Cost"))).toMatchObject({
      _tag: "BadInstrumentName"
    })
    expect(refusalOf("close.csv", wide.replace("LOW", "KO"))).toMatchObject({ _tag: "NotABarFile" })
  })
})
