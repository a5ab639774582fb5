/**
 * The sentiment stream: sentences that were scored one by one, pooled. A sentence weighs 2^(-age / half-life) of its text's
 * age at the as-of; the pool is the weighted mean of their probabilities.
 */
import type { InstrumentId } from "../../protocols/Instrument.ts"
import {
  instrumentsPerReadingMax,
  type PooledSentiment,
  type SentimentReading,
  unavailable
} from "../../protocols/Streams.ts"

export const sentimentDefinition = 1

export interface SentenceProbabilities {
  readonly negative: number
  readonly neutral: number
  readonly positive: number
}

/** A text whose sentences have been scored. */
export interface ScoredText {
  /** Whom it is about; null for the market as a whole. */
  readonly instrument: InstrumentId | null
  readonly occurredAt: number
  readonly knownAt: number
  readonly sentences: ReadonlyArray<SentenceProbabilities>
}

/** Texts older than so many half-lives weigh less than 1/64 and are left out. */
export const halfLivesMax = 6

const poolOf = (
  texts: ReadonlyArray<ScoredText>,
  halfLifeMs: number,
  asOf: number
): PooledSentiment | undefined => {
  let [weights, squares, negative, neutral, positive, sentences, latestAt] = [0, 0, 0, 0, 0, 0, 0]
  for (const text of texts) {
    const weight = 2 ** (-Math.max(0, asOf - text.occurredAt) / halfLifeMs)
    for (const one of text.sentences) {
      negative += weight * one.negative
      neutral += weight * one.neutral
      positive += weight * one.positive
      weights += weight
      squares += weight * weight
    }
    sentences += text.sentences.length
    latestAt = Math.max(latestAt, text.occurredAt)
  }
  if (weights === 0) return undefined
  // Probabilities sum to one within rounding: what is said of them does so exactly enough to stay within bounds.
  const total = negative + neutral + positive
  return {
    score: (positive - negative) / total,
    negative: negative / total,
    neutral: neutral / total,
    positive: positive / total,
    texts: texts.length,
    sentences,
    sentencesEffective: weights ** 2 / squares,
    latestAt
  }
}

export const sentimentAt = (
  texts: ReadonlyArray<ScoredText>,
  options: { readonly scorer: string; readonly halfLifeMs: number },
  asOf: number
): SentimentReading => {
  const { halfLifeMs, scorer } = options
  const seen = texts.filter(
    ({ knownAt, occurredAt, sentences }) =>
      sentences.length > 0 && knownAt <= asOf && occurredAt > asOf - halfLivesMax * halfLifeMs
  )
  const market = poolOf(seen, halfLifeMs, asOf)
  if (market === undefined) {
    return unavailable(`the context has no text of the last ${halfLivesMax} half-lives`)
  }
  const byInstrument = new Map<InstrumentId, Array<ScoredText>>()
  for (const text of seen) {
    if (text.instrument === null) continue
    const about = byInstrument.get(text.instrument)
    if (about === undefined) byInstrument.set(text.instrument, [text])
    else about.push(text)
  }
  const instruments = [...byInstrument]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, instrumentsPerReadingMax)
    .flatMap(([instrument, about]) => {
      const pool = poolOf(about, halfLifeMs, asOf)
      return pool === undefined ? [] : [{ instrument, ...pool }]
    })
  return { status: "available", scorer, halfLifeMs, market, instruments }
}
