/**
 * What the file of a trained network says about how it came to be, in one entry of its metadata: what it sees, what it
 * answers, what it has learned from and how well it did.
 *
 * What can go wrong: the entry of a file from elsewhere is anything; `readTrainedModel` gives undefined for what is none.
 */
import { Either, Schema } from "effect"
import { Costs } from "../../market/Costs.ts"
import { FeatureScaling } from "../../market/features/FeatureScaling.ts"
import { Calendar } from "../../protocols/Instrument.ts"
import { Metric } from "../../protocols/Model.ts"
import { TimeFrame } from "../../protocols/TimeFrame.ts"
import { Digest, EpochMs } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import { HostTraining } from "../training-host/HostTraining.ts"
import { classKinds } from "./ClassLabels.ts"
import { inputFeaturesNames } from "./InputFeatures.ts"

const Text = Schema.String.pipe(Schema.maxLength(256))

/** Of one class of a classifier. */
const TrainedClass = Schema.Struct({
  name: Text,
  trainingRows: Schema.Int,
  /** Expected return over the horizon, in sigmas, given the class (ClassOpinion.ts). */
  value: Schema.Finite,
  /** That it bore in the loss. */
  weight: Schema.Finite,
  heldOutRows: Schema.Int,
  /** On held-out rows; null where it never was, or never was said. */
  precision: Schema.NullOr(Schema.Finite),
  recall: Schema.NullOr(Schema.Finite),
  f1: Schema.NullOr(Schema.Finite)
})

export const TrainedModel = Schema.Struct({
  version: Schema.Literal(1),
  /** Which features of each bar (InputFeatures.ts), and of how many bars. */
  sequence: Schema.Struct({
    features: Schema.Literal(...inputFeaturesNames),
    version: Schema.Int,
    length: Schema.Int.pipe(Schema.between(1, 4_096)),
    /** Whether there were volumes; their stand-in is 1. */
    hasVolume: Schema.Boolean,
    /** Of features that may be absent: what the graph does with those that are there, and what stands in for the others. */
    scaling: Schema.optionalWith(FeatureScaling, { exact: true }),
    /** Of those whose features tell the time by the as-of: under another one they would tell another. */
    calendar: Schema.optionalWith(Calendar, { exact: true })
  }),
  timeFrame: TimeFrame,
  horizonBars: Schema.Int.pipe(Schema.between(1, 10_000)),
  /** That the hold zone was made of. */
  costs: Costs,
  training: HostTraining,
  data: Schema.Struct({
    /** SHA-256 of the file of bars. */
    digest: Digest,
    instruments: Schema.Array(Text),
    /** As-ofs of the first and the last row that it was fitted or validated on. */
    from: EpochMs,
    to: EpochMs,
    /** When the last outcome that it has learned from was known. */
    knownTo: EpochMs,
    /** As-of of the first row that was held out. */
    heldOutFrom: EpochMs,
    trainingRows: Schema.Int,
    validationRows: Schema.Int,
    heldOutRows: Schema.Int
  }),
  /** Of sell, hold and buy, in what it has learned from. */
  baseRates: Schema.Tuple(Schema.Finite, Schema.Finite, Schema.Finite),
  /** Of a network that answers with classes, in the order of its outputs. */
  classes: Schema.optionalWith(
    Schema.Struct({
      kind: Schema.Literal(...classKinds),
      each: Schema.Array(TrainedClass).pipe(Schema.minItems(2), Schema.maxItems(1_024))
    }),
    { exact: true }
  ),
  /** On held-out rows. */
  metrics: Schema.Array(Metric),
  /** Of training and validation, by epoch. */
  losses: Schema.Array(Schema.Struct({ training: Schema.Finite, validation: Schema.Finite }))
})
export type TrainedModel = typeof TrainedModel.Type

const key = "training"
const FromText = Schema.parseJson(TrainedModel)

export const trainedModelMetadata = (model: TrainedModel): Readonly<Record<string, string>> => ({
  [key]: canonicalJson(Schema.encodeSync(TrainedModel)(model))
})

export const readTrainedModel = (metadata: ReadonlyMap<string, string>): TrainedModel | undefined =>
  Either.getOrUndefined(Schema.decodeUnknownEither(FromText)(metadata.get(key) ?? ""))
