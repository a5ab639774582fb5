import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { delimiterOf, splitLine } from "../../src/market/CsvLine.ts"

describe("CsvLine", () => {
  it("splits plain lines and keeps empty fields", () => {
    expect(splitLine("a,b,c", ",")).toEqual(["a", "b", "c"])
    expect(splitLine(",a,,", ",")).toEqual(["", "a", "", ""])
    expect(splitLine("a;b,c", ";")).toEqual(["a", "b,c"])
  })

  it("takes delimiters and doubled quotes inside quotes as text", () => {
    expect(splitLine('"a,b",c', ",")).toEqual(["a,b", "c"])
    expect(splitLine('"say ""no""",c', ",")).toEqual(['say "no"', "c"])
    expect(splitLine('a,"",c', ",")).toEqual(["a", "", "c"])
    expect(splitLine('"a",', ",")).toEqual(["a", ""])
    expect(splitLine(',"a"', ",")).toEqual(["", "a"])
  })

  it("takes a quote inside an unquoted field as it is", () => {
    expect(splitLine('5" pipe,b', ",")).toEqual(['5" pipe', "b"])
  })

  it("refuses a line whose quotes do not match", () => {
    expect(splitLine('"a,b', ",")).toBeUndefined()
    expect(splitLine('"a"b,c', ",")).toBeUndefined()
    expect(splitLine('a,"b""', ",")).toBeUndefined()
  })

  it("takes semicolons or tabs where the header has no comma", () => {
    expect(["a,b", "a;b", "a\tb", "a", "a,b;c"].map(delimiterOf)).toEqual([",", ";", "\t", ",", ","])
  })

  it("gives back any fields that were quoted by the rule", () => {
    const field = fc.string({ unit: fc.constantFrom("a", " ", ",", '"', ";", "é") })
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (fields) => {
        const line = fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(",")
        expect(splitLine(line, ",")).toEqual(fields)
      })
    )
  })
})
