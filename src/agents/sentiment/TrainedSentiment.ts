/**
 * What the file of a trained classifier of sentences says about how it came to be, in one entry of its metadata: what it has
 * learned from, how it was chosen, and how well that way of choosing did on sentences that it had not seen.
 *
 * What can go wrong: the entry of a file from elsewhere is anything; `readTrainedSentiment` gives undefined for what is none.
 */
import { Either, Schema } from "effect"
import { blockNames } from "../../learning/text/SentenceTerms.ts"
import { Metric } from "../../protocols/Model.ts"
import { Digest } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"

const Count = Schema.NonNegativeInt

export const TrainedSentiment = Schema.Struct({
  version: Schema.Literal(1),
  data: Schema.Struct({
    /** SHA-256 of the sentences and labels, in their order (canonical JSON). */
    digest: Digest,
    sentences: Count,
    /** Sentences that differ in more than numbers, punctuation and case. */
    groups: Count,
    /** Negative, neutral, positive. */
    classes: Schema.Tuple(Count, Count, Count)
  }),
  configuration: Schema.Struct({
    blocks: Schema.Array(Schema.Literal(...blockNames)),
    penalty: Schema.Finite,
    temperature: Schema.Finite
  }),
  folds: Count,
  /** Of the repetitions of the cross-validation; the first is that of the final choice as well. */
  seeds: Schema.Array(Count),
  /** Of the nested cross-validation: none of them is of sentences that were learned from. */
  metrics: Schema.Array(Metric)
})
export type TrainedSentiment = typeof TrainedSentiment.Type

const key = "training"
const FromText = Schema.parseJson(TrainedSentiment)

export const trainedSentimentMetadata = (trained: TrainedSentiment): Readonly<Record<string, string>> => ({
  [key]: canonicalJson(Schema.encodeSync(TrainedSentiment)(trained))
})

export const readTrainedSentiment = (metadata: ReadonlyMap<string, string>): TrainedSentiment | undefined =>
  Either.getOrUndefined(Schema.decodeUnknownEither(FromText)(metadata.get(key) ?? ""))
