/**
 * What the deep-learning agent does beside voting: predictions on request and at an interval, how they have turned out,
 * which models there are; and, on the branch that needs the operator's role, training.
 */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import {
  AmbiguousInstrument,
  AsOfInFuture,
  NotReady,
  StorageFailed,
  TrainingNotDone,
  UnknownInstrument
} from "../errors.ts"
import {
  ModelStanding,
  ModelType,
  NetworkModel,
  Prediction,
  PredictionSummary,
  TrainingEvent
} from "../Prediction.ts"
import { TimeFrame } from "../TimeFrame.ts"
import { EpochMs } from "../wire/Ids.ts"
import { Limits } from "../wire/Limits.ts"
import { call, streamingCall } from "../wire/Rpc.ts"
import { Opine } from "./VoterRpcs.ts"

const asked = {
  /** Instrument ids, or symbols; all instruments when empty. */
  instruments: Schema.Array(Schema.String.pipe(Schema.maxLength(128))).pipe(
    Schema.maxItems(Limits.questionsPerRequestMax)
  ),
  model: ModelType,
  /** The feed's own when absent; a longer one is made of its bars. */
  timeFrame: Schema.optional(TimeFrame)
}

/** One prediction an instrument, as of an instant: the latest when absent. What cannot be predicted is an abstention. */
export const Predict = call("Predict", {
  payload: { ...asked, asOf: Schema.optional(EpochMs) },
  success: Schema.Array(Prediction),
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, AsOfInFuture, NotReady, StorageFailed)
})

export const predictionEveryMs = { least: 30_000, most: 300_000, usual: 60_000 } as const

/** Predictions now and then at an interval. */
export const Predictions = streamingCall("Predictions", {
  payload: {
    ...asked,
    everyMs: Schema.optional(Schema.Int.pipe(Schema.between(predictionEveryMs.least, predictionEveryMs.most)))
  },
  success: Schema.Array(Prediction),
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, AsOfInFuture, NotReady, StorageFailed)
})

/** Predictions that were published at the interval, oldest first. */
export const PredictionHistory = call("PredictionHistory", {
  payload: {
    instrument: Schema.String.pipe(Schema.maxLength(128)),
    from: EpochMs,
    to: EpochMs,
    limit: Schema.Int.pipe(Schema.between(1, 500))
  },
  success: Schema.Array(Prediction),
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, AsOfInFuture, NotReady, StorageFailed)
})

/** Of the latest published predictions, up to 500 an instrument. */
export const PredictionSummaries = call("PredictionSummaries", {
  payload: { instruments: asked.instruments },
  success: Schema.Array(PredictionSummary),
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, AsOfInFuture, NotReady, StorageFailed)
})

export const Standings = call("Standings", { payload: {}, success: Schema.Array(ModelStanding) })

export class DeepLearningRpcs extends RpcGroup.make(
  Opine,
  Predict,
  Predictions,
  PredictionHistory,
  PredictionSummaries,
  Standings
) {}

/** Trains a network on the bars that have been seen up to the latest as-of, and deploys it. One at a time. */
export const Train = streamingCall("Train", {
  payload: { model: NetworkModel, timeFrame: Schema.optional(TimeFrame) },
  success: TrainingEvent,
  error: Schema.Union(NotReady, TrainingNotDone)
})

/** Served on the `control` branch. */
export class DeepLearningControlRpcs extends RpcGroup.make(Train) {}
