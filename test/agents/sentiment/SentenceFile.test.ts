import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import {
  parseLabelled,
  parseSentences,
  readLabelled,
  readSentences
} from "../../../src/agents/sentiment/SentenceFile.ts"
import { sentiments } from "../../../src/learning/text/SentenceClassifier.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const refusal = <A>(parsed: Either.Either<A, string>) => Either.getOrThrow(Either.flip(parsed))

describe("a file of labelled sentences", () => {
  it("is read whatever the order of its columns, with quotes, and with or without agreement", () => {
    const text =
      '\ufefflabel,extra,agreement,sentence\r\nPositive,x,66.7,"He said ""up"", twice"\r\n\r\nneutral,,, plain \r\n'
    expect(Either.getOrThrow(parseLabelled(text))).toEqual([
      { sentence: 'He said "up", twice', label: 2, agreement: 66.7 },
      { sentence: "plain", label: 1, agreement: null }
    ])
    expect(Either.getOrThrow(parseLabelled("sentence,label\na,negative"))).toEqual([
      { sentence: "a", label: 0, agreement: null }
    ])
  })

  it.each([
    ["", 'no column "sentence"'],
    ["sentence\nup", 'no column "label"'],
    ["sentence,label\n", "it has no sentences"],
    [
      "sentence,label\nup,positive\nup,happy",
      'line 3 has the label "happy", not one of negative, neutral, positive'
    ],
    ["sentence,label\nup,\u001b[2Jbad", 'the label "[2jbad"'],
    ["sentence,label\nup", "line 2 has 1 fields, the header has 2"],
    ['sentence,label\n"up,positive', "line 2 has a quote that is not closed"],
    ["sentence,label\n ,positive", "line 2 has an empty sentence"],
    [
      `sentence,label\n${"a".repeat(4_001)},positive`,
      "line 2 has a sentence of 4001 characters, 4000 are allowed"
    ],
    ["sentence,label,agreement\nup,positive,all", 'the agreement "all", which is no percentage'],
    ["sentence,label,agreement\nup,positive,0", 'the agreement "0"'],
    [`sentence,label\n${"a,positive\n".repeat(50_001)}`, "more than 50000 sentences"]
  ])("is refused with its line where it is something else (%#)", (text, said) => {
    expect(refusal(parseLabelled(text))).toContain(said)
  })

  it("gives back what was written", () => {
    const row = fc.record({
      sentence: fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
        .map((text) => `a${text.replace(/\s+/g, " ")}z`),
      label: fc.nat(2),
      agreement: fc.constantFrom(null, 50, 100)
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
        const lines = rows.map(
          ({ agreement, label, sentence }) =>
            `"${sentence.replaceAll('"', '""')}",${sentiments[label]},${agreement ?? ""}`
        )
        expect(Either.getOrThrow(parseLabelled(["sentence,label,agreement", ...lines].join("\n")))).toEqual(
          rows
        )
      })
    )
  })

  it.scopedLive("may be packed, and is refused by name where it cannot be unpacked or is not there", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "s.csv.gz")
      writeFileSync(path, gzipSync("sentence,label\nup,positive\n"))
      expect(yield* readLabelled(path)).toHaveLength(1)
      expect(yield* readSentences(path)).toEqual(["up"])
      writeFileSync(path, gzipSync("sentence,label\nup,positive\n").subarray(0, 20))
      const cut = yield* Effect.flip(readLabelled(path))
      expect(cut.message).toMatch(/^The sentences in \S+ cannot be used: .+\.$/)
      expect((yield* Effect.flip(readLabelled(`${path}.not`))).message).toContain("there is no such file")
    })
  )
})

describe("a file of sentences", () => {
  it("is a sentence a line, or a column of a table", () => {
    expect(Either.getOrThrow(parseSentences("Up, said one.\n\n Down. \n"))).toEqual([
      "Up, said one.",
      "Down."
    ])
    expect(Either.getOrThrow(parseSentences('id,sentence\n1,"Up, said one."'))).toEqual(["Up, said one."])
    expect(refusal(parseSentences("\n \n"))).toBe("it has no sentences")
    expect(refusal(parseSentences(`a\n${"b".repeat(4_001)}`))).toContain("line 2")
  })
})
