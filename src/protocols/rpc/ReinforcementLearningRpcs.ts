/**
 * What the reinforcement-learning agent does beside voting: strategies on request, how policies have done on held-out time,
 * how trainings have gone; and, on the branch that needs the operator's role, training.
 */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import {
  AmbiguousInstrument,
  EvaluationNotDone,
  NotReady,
  StorageFailed,
  TrainingNotDone,
  UnknownInstrument
} from "../errors.ts"
import {
  MarketConditions,
  PolicyAlgorithm,
  PolicyEvaluation,
  PolicyMetrics,
  PolicyStanding,
  PolicyTrainingEvent,
  Strategy,
  StrategyAlgorithm
} from "../Strategy.ts"
import { TimeFrame } from "../TimeFrame.ts"
import { Digest } from "../wire/Ids.ts"
import { Limits } from "../wire/Limits.ts"
import { call, streamingCall } from "../wire/Rpc.ts"
import { Opine } from "./VoterRpcs.ts"

/** An instrument's id, or its symbol. */
const InstrumentText = Schema.String.pipe(Schema.maxLength(128))
/** The feed's own when absent; a longer one is made of its bars. */
const timeFrame = Schema.optional(TimeFrame)

/** At the latest as-of; an abstention where there is no trained policy, or too little history. */
export const GenerateStrategy = call("GenerateStrategy", {
  payload: {
    instrument: InstrumentText,
    algorithm: StrategyAlgorithm,
    timeFrame,
    conditions: Schema.optional(MarketConditions)
  },
  success: Strategy,
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, NotReady, StorageFailed)
})

/** On the bars after those that the policy learned from: the latest of an algorithm, or one version. */
export const Evaluate = call("Evaluate", {
  payload: { instrument: InstrumentText, policy: Schema.Union(PolicyAlgorithm, Digest), timeFrame },
  success: PolicyEvaluation,
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, NotReady, StorageFailed, EvaluationNotDone)
})

/** Of the last training of each algorithm in each time frame. */
export const Metrics = call("Metrics", { payload: {}, success: Schema.Array(PolicyMetrics) })

/** Every deep policy that can be asked. */
export const Policies = call("Policies", { payload: {}, success: Schema.Array(PolicyStanding) })

export class ReinforcementLearningRpcs extends RpcGroup.make(
  Opine,
  GenerateStrategy,
  Evaluate,
  Metrics,
  Policies
) {}

export const policyStepsMax = 100_000_000

/** Trains a policy on the bars that have been seen up to the latest as-of, and deploys it. One at a time. */
export const Train = streamingCall("Train", {
  payload: {
    /** All that the feed brings when empty. */
    instruments: Schema.Array(InstrumentText).pipe(Schema.maxItems(Limits.questionsPerRequestMax)),
    algorithm: PolicyAlgorithm,
    timeFrame,
    /** Of the environment; as configured when absent. */
    steps: Schema.optional(Schema.Int.pipe(Schema.between(1, policyStepsMax))),
    /** The run's when absent. */
    seed: Schema.optional(Schema.NonNegativeInt)
  },
  success: PolicyTrainingEvent,
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, NotReady, TrainingNotDone)
})

/** Served on the `control` branch. */
export class ReinforcementLearningControlRpcs extends RpcGroup.make(Train) {}
