import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Token, tokensOf } from "../../../src/learning/text/Tokens.ts"

const texts = (sentence: string) => tokensOf(sentence).map(({ text }) => text)
const numbersOf = (sentence: string) =>
  tokensOf(sentence).flatMap(({ number }: Token) => (number === null ? [] : [[number.kind, number.value]]))

describe("the tokens of a sentence", () => {
  it("are its words in lower case, without punctuation", () => {
    expect(texts("Net sales ROSE , the CEO's well-known plan (L&T) said .")).toEqual([
      ...["net", "sales", "rose", "the", "ceo's", "well-known", "plan", "l&t", "said"]
    ])
  })

  it.each([
    ["EUR 11.07 mn", [["money", 11_070_000]]],
    ["EUR17 .9 m", [["money", 17_900_000]]],
    ["$ 1.35 billion", [["money", 1_350_000_000]]],
    ["€160m", [["money", 160_000_000]]],
    [
      "16.5 mln euro ( $ 21 mln )",
      [
        ["money", 16_500_000],
        ["money", 21_000_000]
      ]
    ],
    ["LVL 122,000", [["number", 122_000]]],
    ["3,5 %", [["percent", 3.5]]],
    ["60.8 percent", [["percent", 60.8]]],
    ["3.4 per cent", [["percent", 3.4]]],
    ["in 2007", [["year", 2007]]],
    ["2,007 jobs", [["number", 2007]]],
    ["a result of -2.5 %", [["percent", -2.5]]],
    ["minus EUR 3 mn", [["money", -3_000_000]]],
    ["from 1.2.2008 on", [["number", 0]]],
    ["20 million shares", [["number", 20_000_000]]]
  ] as const)("give the numbers of %j by what they count", (sentence, wanted) => {
    expect(numbersOf(sentence)).toEqual(wanted)
  })

  it("are the same whatever an amount is and whatever it is counted in", () => {
    expect(texts("profit of EUR 3.2 mn")).toEqual(texts("profit of $ 1,800"))
    expect(texts("profit of EUR 3.2 mn")).toEqual(["profit", "of", "<money>"])
    expect(texts("down -3 %")).toEqual(["down", "<-percent>"])
  })

  it("do not take a dash between numbers for a sign", () => {
    expect(texts("January-June 2010")).toEqual(["january-june", "<year>"])
    expect(numbersOf("2000-2006")).toEqual([
      ["year", 2000],
      ["year", 2006]
    ])
    expect(numbersOf("Feb 4 , 2009 - 300 jobs")).toEqual([
      ["number", 4],
      ["year", 2009],
      ["number", 300]
    ])
  })

  it("have a value even where a number is beyond all numbers", () => {
    expect(numbersOf(`${"9".repeat(300)} trillion and ${"9".repeat(400)}`)).toEqual([
      ["number", 0],
      ["number", 0]
    ])
  })

  it("are made of anything, with finite numbers, and no more than there are characters", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..."ab1 .,%$-€m") })
    )
    fc.assert(
      fc.property(text, (sentence) => {
        const tokens = tokensOf(sentence)
        // Compatibility forms may be longer than what they stand for.
        expect(tokens.length).toBeLessThanOrEqual(sentence.normalize("NFKC").length)
        for (const { number, text: of } of tokens) {
          expect(of).toMatch(/^\S+$/)
          if (number !== null) expect(Number.isFinite(number.value)).toBe(true)
        }
        expect(tokensOf(sentence)).toEqual(tokens)
      })
    )
  })
})
