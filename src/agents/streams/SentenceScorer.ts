/**
 * What scores sentences for the sentiment stream. A node that provides one takes the place of the configured model; without
 * either the stream is unavailable.
 */
import { Context, type Effect } from "effect"
import type { SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"

export class SentenceScorer extends Context.Tag("conclave/SentenceScorer")<
  SentenceScorer,
  {
    /** For people: which model it is. */
    readonly name: string
    /** Probabilities of each sentence, in their order; does not hold up the main thread. */
    readonly score: (
      sentences: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<SentenceProbabilities>, { readonly message: string }>
  }
>() {}
