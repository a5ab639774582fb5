import { describe, expect, it } from "@effect/vitest"
import { changeTermsOf } from "../../../src/learning/text/ChangeTerms.ts"
import { wordClassOf } from "../../../src/learning/text/FinanceWords.ts"
import { tokensOf } from "../../../src/learning/text/Tokens.ts"

const terms = (sentence: string) => changeTermsOf(tokensOf(sentence))

describe("what a sentence says of a change", () => {
  it("is which way a quantity moved, by its words and by its amounts", () => {
    expect(terms("Operating profit fell to EUR 35.4 mn from EUR 68.8 mn in 2007")).toEqual(
      expect.arrayContaining(["less", "less asset", "fall", "fall asset"])
    )
    expect(terms("Costs rose from EUR 3 mn to EUR 5 mn")).toEqual(
      expect.arrayContaining(["more", "more burden", "rise", "rise burden"])
    )
  })

  it("needs no verb of movement", () => {
    expect(terms("Earnings stood at EUR 0.25 versus EUR 0.42")).toContain("less asset")
    expect(terms("Earnings stood at EUR 0.25 versus EUR 0.25")).toContain("same asset")
    expect(terms("Sales were EUR 8 mn , compared with EUR 7 mn a year earlier")).toContain("more asset")
  })

  it("tells a profit after a loss from a loss after a profit", () => {
    expect(terms("a profit of EUR 1 mn compared to a loss of EUR 2 mn")).toContain("loss to profit")
    expect(terms("a loss of EUR 1 mn compared to a profit of EUR 2 mn")).toContain("profit to loss")
    expect(terms("a loss of EUR 3 mn compared to a loss of EUR 2 mn")).toContain("more loss")
  })

  it("compares nothing that is not compared, nor amounts of different kinds", () => {
    expect(terms("it paid EUR 3 mn and EUR 5 mn")).toEqual([])
    expect(terms("EUR 3 mn from 5 % of it")).not.toContain("less")
    expect(terms("in 2008 compared with 2007")).toEqual(["comparison"])
  })

  it("does not depend on the size or the currency of the amounts", () => {
    expect(terms("profit rose to EUR 9 mn from EUR 4 mn")).toEqual(
      terms("profit rose to $ 900,000 from $ 400,000")
    )
  })

  it("marks what is denied", () => {
    expect(terms("profit did not rise")).toContain("not rise")
    expect(terms("profit did not rise")).not.toContain("rise")
  })
})

describe("the class of a word", () => {
  it.each([
    ["increased", "rise"],
    ["up", "rise"],
    ["declining", "fall"],
    ["sales", "asset"],
    ["losses", "burden"]
  ])("of %s is %s", (word, name) => {
    expect(wordClassOf(word)).toBe(name)
  })

  it("is none for a longer word that begins with a short stem", () => {
    expect(wordClassOf("update")).toBeUndefined()
    expect(wordClassOf("cutlery")).toBeUndefined()
    expect(wordClassOf("notary")).toBeUndefined()
  })
})
