import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { parseDatedTable } from "../../../src/agents/features/DatedTable.ts"
import { runThrough } from "../../../src/learning/steps.ts"

const parse = (text: string, wanted?: ReadonlyArray<string>) =>
  runThrough(parseDatedTable("t.csv", text, wanted))
const refusal = (text: string, wanted?: ReadonlyArray<string>) =>
  Either.getOrThrow(Either.flip(parse(text, wanted))).reason
const day = (date: string) => Date.parse(date) / 86_400_000

describe("a table by date", () => {
  it("has the columns that are wanted, whatever their order and whatever is beside them, and nothing where a cell is empty", () => {
    const text = "\ufeffopen; close ;date\r\nno number;2;2018-01-03\r\n\r\n;;20180102\r\n"
    const { columns, first, last, rows } = Either.getOrThrow(parse(text, ["close"]))
    expect(columns).toEqual(["close"])
    expect([first, last]).toEqual([day("2018-01-02"), day("2018-01-03")])
    expect(rows.get(first)).toEqual({ line: 4, values: Float64Array.of(Number.NaN) })
    expect(rows.get(last)).toEqual({ line: 2, values: Float64Array.of(2) })
    const all = Either.getOrThrow(parse("b,date,a\n1,2018-01-02,2.5e-1\n"))
    expect(all.columns).toEqual(["b", "a"])
    expect(all.rows.get(all.first)?.values).toEqual(Float64Array.of(1, 0.25))
  })

  it("is refused with the line of the first thing that is wrong", () => {
    const rows = (...lines: ReadonlyArray<string>) => ["date,a", ...lines].join("\n")
    const first = "2018-01-02,1"
    const cases: ReadonlyArray<readonly [text: string, reason: string]> = [
      ["", "it has no column date"],
      ["date", "it has no columns beside date"],
      ["a,b\n1,2", "it has no column date"],
      ["date,a,a\n", "it has the column a twice"],
      ["date,a\n\n", "it has a header and no rows"],
      [rows(first, "2018-01-03"), "line 3 has 1 fields, the header 2"],
      [rows(first, '2018-01-03,"1'), "line 3 has no whole fields, the header 2"],
      [rows(first, "2018-02-30,1"), 'line 3 has the date "2018-02-30"'],
      [rows(first, "01/03/2018,1"), 'line 3 has the date "01/03/2018"'],
      [rows(first, "2018-01-03T00:00,1"), 'line 3 has the date "2018-01-03T00:00"'],
      [rows(first, "", "20180102,3"), "lines 2 and 4 have the same date, 20180102"],
      [rows(first, "2018-01-03,-1"), 'line 3 has the a "-1", which is no number from 0 on'],
      [rows(first, "2018-01-03,NaN"), 'line 3 has the a "NaN", which is no number from 0 on'],
      [rows(first, "2018-01-03,1e999"), 'line 3 has the a "1e999", which is no number from 0 on'],
      [rows(first, "2018-01-03,0x1"), 'line 3 has the a "0x1", which is no number from 0 on']
    ]
    for (const [text, reason] of cases) expect(refusal(text)).toBe(reason)
    expect(refusal(rows(first), ["close"])).toBe("it has no column close")
  })

  it("never throws, whatever the text is", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (header, lines) => {
        const parsed = parse([`date,${header}`, ...lines].join("\n"))
        if (Either.isRight(parsed)) expect(parsed.right.rows.size).toBeGreaterThan(0)
        else expect(parsed.left.message).toMatch(/^The table t\.csv cannot be used: /)
      })
    )
  })
})
