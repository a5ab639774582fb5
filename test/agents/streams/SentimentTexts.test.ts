import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { SentenceScorer } from "../../../src/agents/streams/SentenceScorer.ts"
import {
  makeSentimentTexts,
  sentencesOf,
  sentencesPerTextMax,
  textsMax
} from "../../../src/agents/streams/SentimentTexts.ts"
import { type ContextItem, contextItemId } from "../../../src/protocols/ContextItem.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { textItem } from "../../../src/protocols/Streams.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"
import { instrumentOf } from "../feedEvents.ts"

type Context = Parameters<typeof makeSentimentTexts>[0]
const alpha = instrumentOf("ALPHA").id

const itemOf = (
  at: number,
  payload: unknown,
  changes: { readonly knownAt?: number; readonly instrument?: InstrumentId | null } = {}
): ContextItem => {
  const content = { type: textItem, version: 1, source: "news", occurredAt: at }
  const { instrument = null, knownAt = at } = changes
  return { id: contextItemId(content, canonicalJson(payload)), ...content, knownAt, instrument, payload }
}

/** A context in memory, which gives pages as the agent does. */
const contextOf = (items: ReadonlyArray<ContextItem>): Context =>
  ({
    Range: ({ asOf, from, limit, to, type }: Parameters<Context["Range"]>[0]) =>
      Effect.succeed(
        items
          .filter((item) => item.type === type && item.knownAt <= (asOf ?? 0))
          .filter(({ occurredAt }) => occurredAt >= from && occurredAt < to)
          .sort((a, b) => a.occurredAt - b.occurredAt)
          .slice(0, limit)
      )
  }) as unknown as Context

/** Says that what speaks of gains is good, and notes what it was asked. */
const wordScorer = () => {
  const asked: Array<string> = []
  const scorer: typeof SentenceScorer.Service = {
    name: "words",
    score: (sentences) =>
      Effect.sync(() => {
        asked.push(...sentences)
        return sentences.map((sentence) =>
          sentence.includes("rose")
            ? { negative: 0, neutral: 0, positive: 1 }
            : { negative: 1, neutral: 0, positive: 0 }
        )
      })
  }
  return { asked, scorer }
}

describe("the sentences of a text", () => {
  it("are cut where sentences end, and bounded", () => {
    expect(sentencesOf("Profit rose by 5.2% in Q1. Sales fell!  What next?")).toEqual([
      "Profit rose by 5.2% in Q1.",
      "Sales fell!",
      "What next?"
    ])
    expect(sentencesOf("")).toEqual([])
    expect(sentencesOf(" . \n ! ")).toEqual([])
    expect(sentencesOf("It rose. ".repeat(500))).toHaveLength(sentencesPerTextMax)
    expect(sentencesOf("x".repeat(20_000))[0]).toHaveLength(1_000)
  })
})

describe("the texts of the context", () => {
  it.effect("are scored once each, as far as they were known", () =>
    Effect.gen(function* () {
      const { asked, scorer } = wordScorer()
      const items = [
        itemOf(10, { text: "It rose. It fell." }, { instrument: alpha }),
        itemOf(20, { text: "It rose again." }, { knownAt: 40 }),
        itemOf(25, { note: "no text" })
      ]
      const texts = makeSentimentTexts(contextOf(items), scorer)
      const first = yield* texts.textsAt(30, 100)
      expect(first).toMatchObject([
        { instrument: alpha, occurredAt: 10, sentences: [{ positive: 1 }, { negative: 1 }] },
        { occurredAt: 25, sentences: [] }
      ])
      expect(yield* texts.textsAt(40, 100)).toHaveLength(3)
      expect(asked).toEqual(["It rose.", "It fell.", "It rose again."])
      // What lies before the window is let go.
      expect(yield* texts.textsAt(60, 36)).toHaveLength(1)
    })
  )

  it.effect("are all found over many pages, also where many have one instant, up to the latest so many", () =>
    Effect.gen(function* () {
      const { scorer } = wordScorer()
      const some = Array.from({ length: 130 }, (_, i) =>
        itemOf(1_000 + Math.floor(i / 20), { text: `It rose ${i}.` })
      )
      const found = yield* makeSentimentTexts(contextOf(some), scorer).textsAt(2_000, 2_000)
      expect(found).toHaveLength(130)
      const many = Array.from({ length: textsMax + 40 }, (_, i) =>
        itemOf(1_000 + i, { text: `It rose ${i}.` })
      )
      const latest = yield* makeSentimentTexts(contextOf(many), scorer).textsAt(2_000, 2_000)
      expect(latest).toHaveLength(textsMax)
      expect((latest as ReadonlyArray<{ occurredAt: number }>).at(-1)?.occurredAt).toBe(1_000 + textsMax + 39)
    })
  )

  it.effect("are not there where the scorer fails or says what is no probability, with the reason", () =>
    Effect.gen(function* () {
      const context = contextOf([itemOf(10, { text: "It rose." })])
      const failing = { name: "broken", score: () => Effect.fail({ message: "the model is gone" }) }
      expect(yield* makeSentimentTexts(context, failing).textsAt(20, 20)).toMatch(/the model is gone/)
      for (const said of [
        [],
        [{ negative: 1, neutral: 1, positive: 1 }],
        [{ negative: Number.NaN, neutral: 0, positive: 1 }],
        [{ negative: -1, neutral: 1, positive: 1 }]
      ]) {
        const texts = makeSentimentTexts(context, { name: "odd", score: () => Effect.succeed(said) })
        expect(yield* texts.textsAt(20, 20)).toMatch(/no probabilities/)
      }
    })
  )
})
