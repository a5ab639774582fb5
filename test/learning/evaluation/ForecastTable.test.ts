import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseForecastTable } from "../../../src/learning/evaluation/ForecastTable.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { refusalOf } from "./refusals.ts"

const parse = (text: string) => runThrough(parseForecastTable(text))
const read = (text: string) => Either.getOrThrow(parse(text))
const refused = (text: string) => refusalOf(parse(text))

const numbers = fc.integer({ min: 1, max: 5 }).chain((columns) =>
  fc.array(
    fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
      minLength: columns,
      maxLength: columns
    }),
    { minLength: 1, maxLength: 20 }
  )
)

/** As JavaScript writes it, and adding 0 turns -0 into 0, as text does. */
const textOf = (rows: ReadonlyArray<ReadonlyArray<number>>) => rows.map((row) => row.join(",")).join("\n")

describe("parseForecastTable", () => {
  it("reads both layouts", () => {
    const dated = read("date,HUFL,OT\n2016-07-01 00:00:00,5.8,-3\n2016-07-01 01:00:00,1e-2,.5\n")
    expect(dated.names).toEqual(["HUFL", "OT"])
    expect({ ...dated.series, values: [...dated.series.values] }).toEqual({
      values: [5.8, -3, 0.01, 0.5],
      rows: 2,
      columns: 2
    })
    const bare = read("0.7855,1.611\n0.7818,1.61")
    expect(bare.names).toEqual(["column 1", "column 2"])
    expect([...bare.series.values]).toEqual([0.7855, 1.611, 0.7818, 1.61])
  })

  it("gives back every number that was written, exactly", () => {
    fc.assert(
      fc.property(numbers, (rows) => {
        const { series } = read(textOf(rows))
        expect([series.rows, series.columns]).toEqual([rows.length, rows[0]?.length])
        expect([...series.values]).toEqual(rows.flat().map((value) => value + 0))
      })
    )
  })

  it("does not mind a byte order mark, carriage returns, spaces, or blank lines at the end", () => {
    const { series } = read("\uFEFFdate,a,b\r\n2020-01-01, 1 ,2\r\n2020-01-02,3,4\r\n\r\n\n")
    expect([...series.values]).toEqual([1, 2, 3, 4])
  })

  it("grows with the text", () => {
    const { series } = read(Array.from({ length: 5_000 }, (_, i) => `${i},${-i}`).join("\n"))
    expect(series.rows).toBe(5_000)
    expect([series.values[9_998], series.values[9_999], series.values.length]).toEqual([
      4_999, -4_999, 10_000
    ])
  })

  it("refuses what is no table of either layout, with the line", () => {
    expect(refused("")).toBe("Line 1 of the table cannot be read: there is none.")
    expect(refused("time,open,close\n1,2,3")).toContain("Line 1")
    expect(refused("date\n2020-01-01")).toContain("it has 0 columns")
    expect(refused("date,a\n")).toBe("Line 2 of the table cannot be read: there are no rows.")
    expect(refused("1,2\n3\n")).toContain("Line 2 of the table cannot be read: it has 1 fields, not 2")
    expect(refused("1,2\n3,4,5\n")).toContain("it has 3 fields, not 2")
    expect(refused("1,2\n\n3,4\n")).toContain("Line 2 of the table cannot be read: it is empty")
  })

  it("refuses fields that are no finite numbers: nothing is filled in", () => {
    for (const field of ["", "NaN", "nan", "Infinity", "1e999", "0x10", "1_000", "one", "1 2", "--1"]) {
      expect(refused(`1,2\n3,${field}\n`)).toContain(
        `Line 2 of the table cannot be read: "${field}" is no finite`
      )
    }
  })

  it("refuses dates that fall or are none: order in time is what everything rests on", () => {
    expect(refused("date,a\n2020-01-02,1\n2020-01-01,2\n")).toContain("2020-01-01 stands after 2020-01-02")
    expect(refused("date,a\n1/2/2020,1\n")).toContain('"1/2/2020" is no ISO date')
    expect(read("date,a\n2020-01-01 00:00:00,1\n2020-01-01 00:00:00,2\n").series.rows).toBe(2)
  })
})
