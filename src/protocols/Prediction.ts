/** What the deep-learning agent says on request or at an interval, beside the opinions it gives in rounds. */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { Metric } from "./Model.ts"
import { Answer, type Side } from "./Opinion.ts"
import { TimeFrame } from "./TimeFrame.ts"
import * as EventType from "./wire/EventType.ts"
import { Digest, EpochMs, Identifier, Reason } from "./wire/Ids.ts"
import { Limits } from "./wire/Limits.ts"

/** The networks that the agent trains and serves. */
export const NetworkModel = Schema.Literal("lstm", "gru", "cnn", "transformer", "dlinear", "mlp", "trm")
export type NetworkModel = typeof NetworkModel.Type

/** `serving` is what votes: the linear forecaster, or the network that has been shown to be better. */
export const ModelType = Schema.Literal("serving", "linear", ...NetworkModel.literals)
export type ModelType = typeof ModelType.Type

const Probability = Schema.Finite.pipe(Schema.between(0, 1))

/** How a Tiny Recursive Model came to its answer. */
export const Recursion = Schema.Struct({
  /** That the answer is right, as the network has it. */
  haltProbability: Probability,
  /** Supervision steps that it took, of so many at most. */
  supervisionSteps: Schema.Finite,
  supervisionStepsMax: Schema.Int,
  /** T: recursions of a supervision step. */
  cycles: Schema.Int,
  /** n: updates of the latent state before each of the answer. */
  latentSteps: Schema.Int,
  /** T (n + 1) layers: what an input passes in one supervision step. */
  effectiveDepth: Schema.Int,
  /** What it saw. */
  features: Schema.Array(
    Schema.Struct({ name: Identifier, raw: Schema.Finite, normalised: Schema.Finite })
  ).pipe(Schema.maxItems(64))
})
export type Recursion = typeof Recursion.Type

/** What a classifier saw, beside the sides: candle patterns, or strategies. */
export const Classes = Schema.Struct({
  kind: Schema.Literal("candles", "strategies"),
  /** The most probable: its probability is the confidence. */
  top: Schema.String,
  confidence: Probability,
  /** In the order of the model. */
  each: Schema.Array(Schema.Struct({ name: Schema.String, probability: Probability })).pipe(
    Schema.maxItems(64)
  ),
  recursion: Schema.NullOr(Recursion)
})
export type Classes = typeof Classes.Type

export const Prediction = Schema.Struct({
  model: ModelType,
  timeFrame: TimeFrame,
  asOf: EpochMs,
  horizonBars: Schema.Int,
  answer: Answer,
  classes: Schema.NullOr(Classes)
})
export type Prediction = typeof Prediction.Type

/** The predictions of one instant, as they are published at an interval. */
export const PredictionsMade = EventType.make({
  type: "PredictionsMade",
  version: 1,
  schema: Schema.Struct({
    predictions: Schema.Array(Prediction).pipe(Schema.maxItems(Limits.questionsPerRequestMax))
  })
})

/** How the predictions of an instrument have turned out. */
export const PredictionSummary = Schema.Struct({
  instrument: InstrumentId,
  predictions: Schema.NonNegativeInt,
  abstentions: Schema.NonNegativeInt,
  /** Of the side that was most probable. */
  sides: Schema.Struct({
    sell: Schema.NonNegativeInt,
    hold: Schema.NonNegativeInt,
    buy: Schema.NonNegativeInt
  }),
  /** Mean probability of that side; null where there is no prediction. */
  confidence: Schema.NullOr(Schema.Finite),
  /** Of those whose horizon has passed: how many, how often that side came, and the mean log loss in nats. */
  matured: Schema.Struct({
    outcomes: Schema.NonNegativeInt,
    right: Schema.NonNegativeInt,
    logLoss: Schema.NullOr(Schema.Finite)
  }),
  latest: Schema.NullOr(Prediction)
})
export type PredictionSummary = typeof PredictionSummary.Type

/** What happens in a training that somebody has asked for. */
export const TrainingEvent = Schema.Union(
  Schema.TaggedStruct("Prepared", {
    model: NetworkModel,
    timeFrame: TimeFrame,
    asOf: EpochMs,
    parameters: Schema.NonNegativeInt,
    trainingRows: Schema.NonNegativeInt,
    validationRows: Schema.NonNegativeInt,
    heldOutRows: Schema.NonNegativeInt
  }),
  Schema.TaggedStruct("Progress", {
    epoch: Schema.NonNegativeInt,
    epochs: Schema.NonNegativeInt,
    step: Schema.NonNegativeInt,
    loss: Schema.Finite,
    rate: Schema.Finite,
    secondsLeft: Schema.NullOr(Schema.Finite)
  }),
  Schema.TaggedStruct("Epoch", {
    epoch: Schema.NonNegativeInt,
    epochs: Schema.NonNegativeInt,
    trainingLoss: Schema.Finite,
    validationLoss: Schema.Finite,
    isBest: Schema.Boolean
  }),
  Schema.TaggedStruct("Restarted", { restarts: Schema.NonNegativeInt, reason: Reason }),
  Schema.TaggedStruct("Trained", {
    version: Digest,
    metrics: Schema.Array(Metric),
    /** Whether it can be asked for by its name; a version that is much worse than the base rate cannot. */
    isDeployed: Schema.Boolean,
    /** Whether it votes from now on. */
    isServing: Schema.Boolean,
    reason: Reason
  })
)
export type TrainingEvent = typeof TrainingEvent.Type

/** A model of the agent as it stands. */
export const ModelStanding = Schema.Struct({
  model: Schema.Literal("linear", ...NetworkModel.literals),
  timeFrame: TimeFrame,
  version: Digest,
  horizonBars: Schema.Int,
  since: EpochMs,
  isServing: Schema.Boolean,
  metrics: Schema.Array(Metric),
  reason: Reason
})
export type ModelStanding = typeof ModelStanding.Type

/** The type under which predictions are kept in the context. */
export const predictionItem = Identifier.make("prediction")

export const sideOf = (probabilities: Readonly<Record<Side, number>>): Side => {
  const { buy, hold, sell } = probabilities
  if (hold >= buy && hold >= sell) return "hold"
  return buy >= sell ? "buy" : "sell"
}
