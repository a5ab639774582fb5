import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { only, parse, rowsOf, tryParse } from "./parseBars.ts"

const hour = 3_600_000
const start = Date.UTC(2019, 11, 30)
const columns = ["timestamp", "open", "high", "low", "close", "volume"] as const
type Row = readonly [time: number, open: number, high: number, low: number, close: number, volume: number]

const price = fc.double({ min: 1e-6, max: 1e6, noNaN: true })

/** Valid hourly bars, the first two of which are neighbours, then with gaps. */
const bars: fc.Arbitrary<ReadonlyArray<Row>> = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      prices: fc.tuple(price, price, price, price),
      closeFirst: fc.boolean(),
      volume: fc.double({ min: 0, max: 1e9, noNaN: true })
    }),
    { minLength: 2, maxLength: 60 }
  )
  .map((drawn) => {
    let at = start
    return drawn.map(({ gap, prices, closeFirst, volume }, i): Row => {
      at += i === 0 ? 0 : i === 1 ? hour : hour * (1 + (gap === 3 ? 1 : 0))
      const [low, a, b, high] = [...prices].sort((x, y) => x - y) as [number, number, number, number]
      return [at, closeFirst ? b : a, high, low, closeFirst ? a : b, volume]
    })
  })

type TimeStyle = (ms: number) => string
const timeStyle: fc.Arbitrary<TimeStyle> = fc.constantFrom<TimeStyle>(
  (ms) => new Date(ms).toISOString(),
  (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " "),
  (ms) => String(ms),
  (ms) => String(ms / 1_000),
  (ms) => `${ms}000`
)

const format = (
  rows: ReadonlyArray<Row>,
  order: ReadonlyArray<number>,
  style: TimeStyle,
  quotes: boolean
): string => {
  const cell = (text: string) => (quotes ? `"${text}"` : text)
  const line = (fields: ReadonlyArray<string>) => order.map((i) => cell(fields[i] as string)).join(",")
  return [
    line(columns),
    ...rows.map(([time, ...numbers]) => line([style(time), ...numbers.map(String)]))
  ].join("\n")
}

const inOrder = [0, 1, 2, 3, 4, 5]
const anyOrder = fc.shuffledSubarray(inOrder, { minLength: 6 })

describe("bars that are written and read again", () => {
  it("are the same bars, to the last bit, in any order of columns and any spelling of times", () => {
    fc.assert(
      fc.property(bars, anyOrder, timeStyle, fc.boolean(), (rows, order, style, quotes) => {
        const parsed = parse("x_1h.csv", format(rows, order, style, quotes))
        expect(parsed.series.map(rowsOf)).toEqual([rows])
        expect([parsed.refused, parsed.rowsRead]).toEqual([0, rows.length])
      })
    )
  })

  it("are counted with their gaps", () => {
    fc.assert(
      fc.property(bars, (rows) => {
        const steps = rows.slice(1).map(([time], i) => (time - (rows[i]?.[0] as number)) / hour)
        const parsed = parse("x.csv", format(rows, inOrder, String, false))
        // More double steps than single ones make the bars two hours long: then nothing is missing.
        const single = steps.filter((step) => step === 1).length
        fc.pre(single >= steps.length - single)
        expect([parsed.timeFrame, parsed.gaps, parsed.barsMissing]).toEqual([
          "1h",
          steps.length - single,
          steps.length - single
        ])
      })
    )
  })
})

describe("a file cut off after k rows", () => {
  const dirt = fc.array(fc.constantFrom("?", "2019-01-01,1,1,1,1,1", "2030-01-01,5,1,9,5,1", '"', ","), {
    maxLength: 8
  })

  it("gives the first k of its bars", () => {
    fc.assert(
      fc.property(bars, dirt, fc.nat(), fc.nat(), (rows, bad, seed, cut) => {
        const [header, ...lines] = format(rows, inOrder, String, false).split("\n") as [
          string,
          ...Array<string>
        ]
        for (const [i, row] of bad.entries()) lines.splice((seed * (i + 1)) % (lines.length + 1), 0, row)
        const options = { refusedShareMax: 1 }
        const whole = rowsOf(only(parse("x_1h.csv", [header, ...lines].join("\n"), options)))
        const kept = lines.slice(0, cut % (lines.length + 1))
        const part = tryParse("x_1h.csv", [header, ...kept].join("\n"), options)
        const partRows = part._tag === "Right" ? rowsOf(only(part.right)) : []
        expect(partRows).toEqual(whole.slice(0, partRows.length))
        if (part._tag === "Right") expect(partRows.length + part.right.refused).toBe(kept.length)
        else expect(part.left._tag).toBe("NoBars")
      })
    )
  })
})

describe("a long and a wide file of the same closes", () => {
  const closes = fc.array(fc.array(fc.option(price, { freq: 4 }), { minLength: 3, maxLength: 3 }), {
    minLength: 2,
    maxLength: 30
  })

  it("give the same series", () => {
    fc.assert(
      fc.property(closes, (table) => {
        fc.pre(table.some((row) => row.some((close) => close !== null)))
        const symbols = ["A", "B", "C"]
        const time = (i: number) => new Date(start + i * hour).toISOString()
        const wide = [
          ["time", ...symbols].join(","),
          ...table.map((row, i) => [time(i), ...row.map((close) => close ?? "")].join(","))
        ].join("\n")
        const long = [
          "time,symbol,close",
          ...table.flatMap((row, i) =>
            row.flatMap((close, j) => (close === null ? [] : [`${time(i)},${symbols[j]},${close}`]))
          )
        ].join("\n")
        const read = (text: string) => {
          const parsed = parse("x_close_1h.csv", text)
          return Object.fromEntries(
            parsed.series.map((series) => [
              series.instrument.id,
              [rowsOf(series), series.gaps, series.barsMissing]
            ])
          )
        }
        expect(read(wide)).toEqual(read(long))
      })
    )
  })
})
