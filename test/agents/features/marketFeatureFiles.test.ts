import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type MarketFiles, marketFeatureTable } from "../../../src/agents/features/marketFeatureFiles.ts"
import { marketFeatureSchema } from "../../../src/market/features/MarketFeatures.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { sessionDates } from "../../support/sessions.ts"

const dates = sessionDates("2018-11-01", "2018-12-31")
const tickers = ["AAA", "BBB", "CCC", "DDD"]
const random = keyedRandom("market files")
const column = (level: number) => dates.map(() => level * Math.exp(0.1 * random.normal()))
const numbers = {
  vix: column(15),
  index: column(2_700),
  putCall: column(1),
  panel: tickers.map(() => column(50)),
  volume: tickers.map(() => column(1e6).map(Math.round))
}

const single = (name: string, values: ReadonlyArray<number>) =>
  [`date,${name}`, ...dates.map((date, i) => `${date},${values[i]}`)].join("\n")
const wide = (columns: ReadonlyArray<ReadonlyArray<number>>) =>
  [
    `date,${tickers.join(",")}`,
    ...dates.map((date, i) => [date, ...columns.map((values) => values[i])].join(","))
  ].join("\n")
const sectors = [
  "ticker,sector",
  ...tickers.map((ticker, i) => `${ticker},${i < 2 ? "Energy" : "Health Care"}`)
]

const texts = {
  vix: single("close", numbers.vix),
  index: single("close", numbers.index),
  putCall: single("put_call_ratio", numbers.putCall),
  adjusted: wide(numbers.panel),
  close: wide(numbers.panel),
  volume: wide(numbers.volume),
  sectors: sectors.join("\n")
}
type Texts = typeof texts

const filesOf = (changes: Partial<Texts> = {}) =>
  Effect.map(temporaryDirectory, (folder): Required<MarketFiles> & { readonly panel: object } => {
    const put = (name: keyof Texts) => {
      const path = join(folder, `${name}.csv`)
      writeFileSync(path, { ...texts, ...changes }[name])
      return path
    }
    return {
      vix: put("vix"),
      index: put("index"),
      putCall: put("putCall"),
      panel: {
        adjusted: put("adjusted"),
        close: put("close"),
        volume: put("volume"),
        sectors: put("sectors")
      }
    }
  })

/** Cells by the name of their column, by date. */
const rowsOf = (files: MarketFiles) =>
  Effect.map(marketFeatureTable(files), ({ parts }) => {
    const [header = [], ...lines] = Buffer.concat(parts)
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => line.split(","))
    return new Map(
      lines.map((cells) => [
        cells[0]?.slice(0, 10) as string,
        Object.fromEntries(header.map((name, k) => [name, cells[k] as string]))
      ])
    )
  })

const without = (text: string, date: string) =>
  text
    .split("\n")
    .filter((line) => !line.startsWith(date))
    .join("\n")

const refusal = (changes: Partial<Texts>) =>
  Effect.gen(function* () {
    const files = yield* filesOf(changes)
    const { message } = yield* Effect.flip(marketFeatureTable(files))
    return message.replace(/\/\S*\/(\w+\.csv)/g, "$1")
  })

describe("the features of the market, of files", () => {
  it.scoped("are a row for each session at its close, with what the files say of it and those before", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(yield* filesOf())
      expect([...rows.keys()]).toEqual(dates)
      expect(rows.get("2018-11-02")?.as_of).toBe("2018-11-02T20:00:00.000Z")
      expect(rows.get("2018-11-23")?.as_of).toBe("2018-11-23T18:00:00.000Z")
      const row = rows.get("2018-12-24") ?? {}
      const at = dates.indexOf("2018-12-24")
      expect(row.as_of).toBe("2018-12-24T18:00:00.000Z")
      expect(Number(row.vix_level)).toBe(numbers.vix[at])
      expect(Number(row.put_call_ratio)).toBe(numbers.putCall[at])
      expect(Number(row.spy_returns_5d)).toBeCloseTo(
        (numbers.index[at] as number) / (numbers.index[at - 5] as number) - 1,
        14
      )
      const rose = numbers.panel.filter(
        (closes) => (closes[at] as number) > (closes[at - 1] as number)
      ).length
      expect(Number(row.market_breadth)).toBe(rose / tickers.length)
      expect(row).toMatchObject({ signal_quality: "", absent: "signal_quality no-source" })
      for (const name of marketFeatureSchema.names.slice(0, 9)) expect(row[name]).not.toBe("")
    })
  )

  it.scoped("do not depend on the order of rows, columns and tickers, nor on what else stands there", () =>
    Effect.gen(function* () {
      const backwards = (text: string) => {
        const [header = "", ...lines] = text.split("\n")
        return [header, ...lines.reverse()].map((line) => line.split(",").reverse().join(",")).join("\n")
      }
      const rows = yield* rowsOf(yield* filesOf())
      const turned = yield* filesOf({
        vix: backwards(texts.vix),
        index: texts.index
          .split("\n")
          .map((line, i) => `${line},${i === 0 ? "volume" : "none"}`)
          .join("\n"),
        close: backwards(texts.close),
        volume: backwards(texts.volume),
        sectors: [...sectors, "ZZZ,Utilities"].join("\n")
      })
      expect(yield* rowsOf(turned)).toEqual(rows)
    })
  )

  it.scoped(
    "are absent where a file leaves a session out, as long as it is in the window, and nothing else is",
    () =>
      Effect.gen(function* () {
        const rows = yield* rowsOf(yield* filesOf())
        const gone = "2018-12-12"
        const some = yield* rowsOf(
          yield* filesOf({ vix: without(texts.vix, gone), volume: without(texts.volume, gone) })
        )
        expect([...some.keys()]).toEqual(dates)
        expect(some.get(gone)).toMatchObject({ vix_level: "", market_breadth: "", gini_coefficient: "" })
        expect(some.get(gone)?.absent).toContain("vix_level no-source")
        expect(some.get("2018-12-13")).toMatchObject({ market_breadth: "", volume_ratio: "" })
        const after = "2018-12-14"
        expect(some.get(after)?.market_breadth).toBe(rows.get(after)?.market_breadth)
        expect(some.get(after)?.volume_ratio).toBe("")
        for (const name of ["vix_level", "spy_returns_5d", "put_call_ratio", "gini_coefficient"]) {
          expect(some.get(after)?.[name]).toBe(rows.get(after)?.[name])
        }
      })
  )

  it.scoped("are those of what is given, over the time that all of it reaches over", () =>
    Effect.gen(function* () {
      const later = texts.index.split("\n").filter((line) => line.startsWith("date") || line >= "2018-11-19")
      const { index, vix } = yield* filesOf({ index: later.join("\n") })
      const rows = yield* rowsOf({ vix, index })
      expect([...rows.keys()][0]).toBe("2018-11-19")
      expect(rows.get("2018-12-31")).toMatchObject({ market_breadth: "", put_call_ratio: "" })
      expect(rows.get("2018-12-31")?.absent).toContain("market_breadth no-source")
      const alone = yield* rowsOf({ vix })
      expect([...alone.keys()]).toEqual(dates)
    })
  )

  it.scoped("of files that end earlier are the same rows", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(yield* filesOf())
      const cut = (text: string) =>
        text
          .split("\n")
          .filter((line) => line.startsWith("date") || line < "2018-12-14")
          .join("\n")
      const { sectors: same, ...others } = texts
      const shorter = Object.fromEntries(Object.entries(others).map(([name, text]) => [name, cut(text)]))
      const before = yield* rowsOf(yield* filesOf({ ...shorter, sectors: same }))
      expect([...before]).toEqual([...rows].slice(0, before.size))
      expect([...before.keys()].at(-1)).toBe("2018-12-13")
    })
  )

  it.scoped("are refused in one line that says where it is wrong", () =>
    Effect.gen(function* () {
      expect(yield* refusal({ vix: `${texts.vix}\n2018-12-05,20` })).toBe(
        `The table vix.csv cannot be used: line ${dates.length + 2} has the date 2018-12-05, on which New York had no session.`
      )
      // Outside the time that all files reach over, it does not matter.
      yield* rowsOf(yield* filesOf({ vix: `${texts.vix}\n2019-01-01,20` }))
      expect(yield* refusal({ vix: "date,close\n2001-01-02,20" })).toMatch(
        /csv cannot be used: it begins on 2018-11-01, after vix\.csv has ended on 2001-01-02\.$/
      )
      expect(yield* refusal({ volume: texts.volume.replace("DDD", "EEE") })).toBe(
        "The table volume.csv cannot be used: it has no column DDD."
      )
      expect(yield* refusal({ sectors: sectors.slice(0, 4).join("\n") })).toBe(
        "The table sectors.csv cannot be used: it names no sector of DDD."
      )
      expect(yield* refusal({ sectors: [...sectors, "AAA,Energy"].join("\n") })).toContain(
        "line 6 names AAA again"
      )
      expect(yield* refusal({ sectors: "ticker,sector\nAAA" })).toContain(
        "line 2 does not name a ticker and its sector"
      )
      expect(yield* refusal({ sectors: "ticker,group\n" })).toContain("it has no column sector")
      expect(yield* refusal({ putCall: texts.putCall.replace("put_call_ratio", "ratio") })).toContain(
        "it has no column put_call_ratio"
      )
      expect(yield* refusal({ index: "" })).toContain("index.csv cannot be used: it has no column date.")
      const missing = yield* Effect.flip(marketFeatureTable({ vix: "/nowhere/vix.csv" }))
      expect(missing.message).toContain("there is no such file")
    })
  )
})
