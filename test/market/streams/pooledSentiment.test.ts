import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { halfLivesMax, type ScoredText, sentimentAt } from "../../../src/market/streams/pooledSentiment.ts"
import { SentimentReading } from "../../../src/protocols/Streams.ts"
import { instrumentOf } from "./bars.ts"

const halfLifeMs = 3_600_000
const options = { scorer: "test", halfLifeMs }
const [alpha, bravo] = [instrumentOf("ALPHA").id, instrumentOf("BRAVO").id]
const said = (positive: number, negative: number) => ({
  positive,
  negative,
  neutral: 1 - positive - negative
})
const textOf = (at: number, changes: Partial<ScoredText> = {}): ScoredText => ({
  instrument: null,
  occurredAt: at,
  knownAt: at,
  sentences: [said(1, 0)],
  ...changes
})
const asOf = 1_000 * halfLifeMs

const sentence = fc
  .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([a, b]) => said(Math.min(a, b), 1 - Math.max(a, b)))
const texts = fc.array(
  fc
    .record({
      instrument: fc.constantFrom(null, alpha, bravo),
      age: fc.nat(10 * halfLifeMs),
      late: fc.nat(3 * halfLifeMs),
      sentences: fc.array(sentence, { maxLength: 5 })
    })
    .map(({ age, late, ...rest }) => textOf(asOf - age, { ...rest, knownAt: asOf - age + late })),
  { maxLength: 30 }
)

describe("pooled sentiment", () => {
  it("is the mean of the sentences, of which older ones weigh half as much each half-life", () => {
    const reading = sentimentAt(
      [
        textOf(asOf, { instrument: alpha, sentences: [said(1, 0)] }),
        textOf(asOf - halfLifeMs, { sentences: [said(0, 1)] })
      ],
      options,
      asOf
    )
    expect(reading).toMatchObject({ status: "available", scorer: "test" })
    if (reading.status === "unavailable") return
    expect(reading.market.score).toBeCloseTo((1 - 0.5) / 1.5, 12)
    expect(reading.market).toMatchObject({ texts: 2, sentences: 2, latestAt: asOf })
    expect(reading.market.sentencesEffective).toBeCloseTo(1.5 ** 2 / 1.25, 12)
    expect(reading.instruments).toMatchObject([
      { instrument: alpha, score: 1, texts: 1, sentencesEffective: 1 }
    ])
  })

  it("has neither texts that are too old nor those that are not known, and says so where none is left", () => {
    const tooOld = textOf(asOf - halfLivesMax * halfLifeMs)
    const notKnown = textOf(asOf - 1, { knownAt: asOf + 1 })
    const silent = textOf(asOf, { sentences: [] })
    expect(sentimentAt([tooOld, notKnown, silent], options, asOf)).toMatchObject({ status: "unavailable" })
  })

  it("stays within its bounds", () => {
    fc.assert(
      fc.property(texts, (all) => {
        expect(Schema.is(SentimentReading)(sentimentAt(all, options, asOf))).toBe(true)
      })
    )
  })

  it("of what was known at an as-of is that of all", () => {
    fc.assert(
      fc.property(texts, fc.nat(10 * halfLifeMs), (all, before) => {
        const earlier = asOf - before
        const known = all.filter(({ knownAt }) => knownAt <= earlier)
        expect(sentimentAt(all, options, earlier)).toEqual(sentimentAt(known, options, earlier))
      })
    )
  })
})
