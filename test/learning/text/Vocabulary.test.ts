import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { runThrough } from "../../../src/learning/steps.ts"
import { blockNames, sentenceGroup } from "../../../src/learning/text/SentenceTerms.ts"
import { rowsOf } from "../../../src/learning/text/SparseRows.ts"
import { makeTermTable } from "../../../src/learning/text/TermTable.ts"
import { fitVocabulary, termsMax, weighedRows } from "../../../src/learning/text/Vocabulary.ts"
import { makeSentences, textOf } from "./sentences.ts"

const tableOf = (sentences: ReadonlyArray<string>) => Either.getOrThrow(runThrough(makeTermTable(sentences)))

describe("a vocabulary", () => {
  it("has the terms of two sentences or more, and how rare they are", () => {
    const table = tableOf(["good good sun", "good moon", "bad moon"])
    const { vocabulary } = runThrough(fitVocabulary(table, [0, 1, 2], ["words"]))
    expect(vocabulary.terms).toEqual(["words:good", "words:^ good", "words:moon", "words:moon $"])
    for (const idf of vocabulary.idf) expect(idf).toBeCloseTo(1 + Math.log(4 / 3), 12)
  })

  it("does not depend on sentences that it is not made of, whether they come before or after", () => {
    const own = makeSentences(30)
    const others = makeSentences(60, 2)
    const fitted = (made: typeof own, from: number) => {
      const rows = own.map((_, i) => from + i)
      return runThrough(fitVocabulary(textOf(made).table, rows, blockNames)).vocabulary
    }
    const alone = fitted(own, 0)
    expect(fitted([...own, ...others], 0)).toEqual(alone)
    expect(fitted([...others, ...own], others.length)).toEqual(alone)
  })

  it("lets the rarest terms go where there are too many, and of equally rare ones the last", () => {
    const beyond = 5
    const word = (i: number) => `words:${i}`
    const terms = Array.from({ length: termsMax + beyond }, (_, i) => word(i))
    // The last terms of all stand first in the table, and the very first is in one sentence more.
    const ids = Int32Array.from(terms.keys()).reverse()
    const sentence = { ids, counts: ids.map(() => 1) }
    const once = { ids: Int32Array.of(0), counts: Int32Array.of(1) }
    const table = { terms, blocks: new Uint8Array(terms.length), sentences: [sentence, sentence, once] }
    const { vocabulary } = runThrough(fitVocabulary(table, [0, 1, 2], ["words"]))
    expect(vocabulary.terms).toHaveLength(termsMax)
    const gone = Array.from({ length: beyond }, (_, i) => word(i + 1))
    const kept = new Set(vocabulary.terms)
    expect(terms.filter((term) => !kept.has(term))).toEqual(gone)
  })

  it("makes rows that are unit vectors in each of its blocks, block after block", () => {
    const { table } = textOf(makeSentences(30))
    const all = table.sentences.map((_, i) => i)
    const known = runThrough(fitVocabulary(table, all, blockNames))
    const rows = runThrough(weighedRows(table, all, known))
    expect(known.vocabulary.blocks.map(({ name }) => name)).toEqual(blockNames)
    expect(known.vocabulary.blocks.reduce((sum, { columns }) => sum + columns, 0)).toBe(rows.columns)
    expect(rowsOf(rows)).toBe(30)
    for (let row = 0; row < rowsOf(rows); row++) {
      let end = 0
      for (const { columns } of known.vocabulary.blocks) {
        const from = end
        end += columns
        let squares = 0
        for (let at = rows.starts[row] as number; at < (rows.starts[row + 1] as number); at++) {
          const column = rows.indices[at] as number
          if (column >= from && column < end) squares += (rows.values[at] as number) ** 2
        }
        if (squares !== 0) expect(squares).toBeCloseTo(1, 12)
      }
    }
  })
})

describe("the group of a sentence", () => {
  it("is one for sentences that differ in numbers, punctuation and case alone", () => {
    expect(sentenceGroup("Profit rose to EUR 3 mn , in 2007 .")).toBe(
      sentenceGroup("profit ROSE to EUR 4.5 mn in 2008")
    )
    expect(sentenceGroup("Profit rose to EUR 3 mn")).not.toBe(sentenceGroup("Profit fell to EUR 3 mn"))
  })
})
