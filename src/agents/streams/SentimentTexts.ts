/**
 * The texts that the context has, scored sentence by sentence, each text once.
 *
 * What can go wrong: the context or the scorer does not answer, or the scorer says what are no probabilities: a reason is
 * given in the place of the texts. An item that is no text is passed over.
 * Invariants: no text is seen that was not known at the as-of; no more than `textsMax` are held.
 */
import { Effect, Either, Schema } from "effect"
import type { ScoredText, SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"
import type { ContextItem } from "../../protocols/ContextItem.ts"
import type { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { TextPayload, textItem } from "../../protocols/Streams.ts"
import type * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import type { SentenceScorer } from "./SentenceScorer.ts"

export const textsMax = 500
export const sentencesPerTextMax = 64
const sentenceCharsMax = 1_000
const sentenceCharsMin = 3
/** Texts of one answer of the context: as many as fit into a message whatever they hold. */
const textsPerCall = 25
/** Calls of one reading: a window with more texts than they give is read from its beginning. */
const callsMax = 400

const decodeText = Schema.decodeUnknownEither(TextPayload)
const segmenter = new Intl.Segmenter("en", { granularity: "sentence" })

/** The sentences of a text, the first of them. */
export const sentencesOf = (text: string): ReadonlyArray<string> => {
  const sentences: Array<string> = []
  for (const { segment } of segmenter.segment(text)) {
    const sentence = segment.trim().slice(0, sentenceCharsMax)
    if (sentence.length >= sentenceCharsMin) sentences.push(sentence)
    if (sentences.length === sentencesPerTextMax) break
  }
  return sentences
}

const areProbabilities = ({ negative, neutral, positive }: SentenceProbabilities): boolean =>
  [negative, neutral, positive].every((share) => share >= 0 && share <= 1) &&
  Math.abs(negative + neutral + positive - 1) <= 1e-3

type Texts = Pick<BusRpcClient.ClientOf<typeof ContextRpcs>, "Range">

export const makeSentimentTexts = (context: Texts, scorer: typeof SentenceScorer.Service) => {
  /** By the id of the item. */
  const scored = new Map<string, ScoredText>()

  /** Items of [from, asOf], the latest of them. */
  const itemsOf = (from: number, asOf: number) =>
    Effect.gen(function* () {
      const items = new Map<string, ContextItem>()
      let at = from
      for (let calls = 0; calls < callsMax && at <= asOf; calls++) {
        const page = yield* context.Range({
          type: textItem,
          from: at,
          to: asOf + 1,
          asOf,
          limit: textsPerCall
        })
        for (const item of page) items.set(item.id, item)
        for (const oldest of items.keys()) {
          if (items.size <= textsMax) break
          items.delete(oldest)
        }
        const last = page.at(-1)
        if (last === undefined || page.length < textsPerCall) break
        // Others may have occurred at the same instant as the last; a whole page of them is passed over.
        at = last.occurredAt > at ? last.occurredAt : at + 1
      }
      return [...items.values()]
    })

  const score = ({ instrument, knownAt, occurredAt, payload }: ContextItem) =>
    Effect.gen(function* () {
      const text = decodeText(payload)
      const sentences = Either.isRight(text) ? sentencesOf(text.right.text) : []
      const probabilities = sentences.length === 0 ? [] : yield* scorer.score(sentences)
      if (probabilities.length !== sentences.length || !probabilities.every(areProbabilities)) {
        return yield* Effect.fail({ message: `what ${scorer.name} says of a sentence are no probabilities` })
      }
      return { instrument, knownAt, occurredAt, sentences: probabilities } satisfies ScoredText
    })

  return {
    name: scorer.name,
    /** The texts of so many milliseconds before an as-of, or why there are none. */
    textsAt: (asOf: number, lookBackMs: number): Effect.Effect<ReadonlyArray<ScoredText> | string> =>
      Effect.gen(function* () {
        const items = yield* itemsOf(Math.max(0, Math.floor(asOf - lookBackMs)), asOf)
        const wanted = new Set(items.map(({ id }) => id))
        for (const id of scored.keys()) if (!wanted.has(id)) scored.delete(id)
        for (const item of items) {
          if (!scored.has(item.id)) scored.set(item.id, yield* score(item))
        }
        return [...scored.values()]
      }).pipe(Effect.catchAll(({ message }) => Effect.succeed(`the texts cannot be scored: ${message}`)))
  }
}
