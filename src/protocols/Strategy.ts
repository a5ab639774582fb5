/**
 * What the reinforcement-learning agent says on request, beside the opinions it gives in rounds: strategies under supposed
 * conditions, trainings of deep policies, how these have done on time that they never learned from.
 */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { Metric } from "./Model.ts"
import { Answer } from "./Opinion.ts"
import { Estimate, Performance } from "./Performance.ts"
import { TimeFrame } from "./TimeFrame.ts"
import { Digest, EpochMs, Reason } from "./wire/Ids.ts"

/** The deep algorithms that the agent trains and serves. In the last two several learners learn together, and one serves. */
export const PolicyAlgorithm = Schema.Literal("dqn", "ppo", "a2c", "shared-replay", "population")
export type PolicyAlgorithm = typeof PolicyAlgorithm.Type

/** `q-table` is the baseline, which is fitted anew by itself. */
export const StrategyAlgorithm = Schema.Literal("q-table", ...PolicyAlgorithm.literals)
export type StrategyAlgorithm = typeof StrategyAlgorithm.Type

const Share = Schema.Finite.pipe(Schema.between(0, 1))
/** Of the equity, signed. */
const Exposure = Schema.Finite.pipe(Schema.between(-2, 2))
const conditions = {
  /** How many times as far prices move as they have lately. */
  volatilityScale: Schema.Finite.pipe(Schema.between(0.1, 10)),
  /** Of going in and out again, in basis points. */
  roundTripBps: Schema.Finite.pipe(Schema.between(0, 1_000)),
  allowShort: Schema.Boolean,
  /** What is held already. */
  exposure: Exposure
}

/** What the caller supposes of the market and of himself; as configured, or as things are, where he says nothing. */
export const MarketConditions = Schema.Struct({
  volatilityScale: Schema.optional(conditions.volatilityScale),
  roundTripBps: Schema.optional(conditions.roundTripBps),
  allowShort: Schema.optional(conditions.allowShort),
  exposure: Schema.optional(conditions.exposure)
})
export type MarketConditions = typeof MarketConditions.Type

/** All of them, as they went into an answer. */
export const AppliedConditions = Schema.Struct({
  ...conditions,
  /** As configured it may be more than may be supposed. */
  roundTripBps: Schema.Finite.pipe(Schema.nonNegative())
})
export type AppliedConditions = typeof AppliedConditions.Type

export const Strategy = Schema.Struct({
  algorithm: StrategyAlgorithm,
  timeFrame: TimeFrame,
  asOf: EpochMs,
  horizonBars: Schema.Int,
  conditions: AppliedConditions,
  answer: Answer,
  /** What is suggested to be held; null where the answer is an abstention. */
  targetExposure: Schema.NullOr(Exposure),
  /** Why that much. */
  reason: Reason
})
export type Strategy = typeof Strategy.Type

const Count = Schema.NonNegativeInt

/** How a training has gone so far, all its learners together. */
const progress = {
  /** Of the environment, all rows together. */
  steps: Count,
  /** Ended ones. */
  episodes: Count,
  updates: Count,
  /** Mean growth of log wealth after costs, over the latest ended episodes; null before the first. */
  meanReward: Schema.NullOr(Schema.Finite),
  /** Share of the latest ended episodes that made a profit after costs. */
  successRate: Schema.NullOr(Share),
  /**
   * Of action values the share of actions at random; of a policy its entropy in nats; of several learners the mean. Null before
   * it is known.
   */
  exploration: Schema.NullOr(Schema.Finite.pipe(Schema.nonNegative()))
}

/** What happens in a training that somebody has asked for. */
export const PolicyTrainingEvent = Schema.Union(
  Schema.TaggedStruct("Prepared", {
    algorithm: PolicyAlgorithm,
    timeFrame: TimeFrame,
    asOf: EpochMs,
    instruments: Schema.Array(InstrumentId).pipe(Schema.maxItems(1_000)),
    steps: Count,
    seed: Count,
    trainingRows: Count,
    validationRows: Count,
    heldOutRows: Count
  }),
  Schema.TaggedStruct("Progress", {
    ...progress,
    stepsMax: Count,
    loss: Schema.NullOr(Schema.Finite),
    updatesPerSecond: Schema.Finite.pipe(Schema.nonNegative()),
    secondsLeft: Schema.NullOr(Schema.Finite),
    /** Of the episodes that ended since the event before, at most the latest so many. */
    episodeRewards: Schema.Array(Schema.Finite).pipe(Schema.maxItems(256))
  }),
  Schema.TaggedStruct("Trained", {
    version: Digest,
    metrics: Schema.Array(Metric),
    /** Whether it can be asked; a version that is much worse than the base rate cannot. */
    isDeployed: Schema.Boolean,
    /** Whether it votes from now on. */
    isServing: Schema.Boolean,
    reason: Reason
  })
)
export type PolicyTrainingEvent = typeof PolicyTrainingEvent.Type
export type PolicyProgress = Extract<PolicyTrainingEvent, { readonly _tag: "Progress" }>

export const episodeRewardsMax = 1_000

/** The last training of an algorithm in a time frame, in this life of the agent. */
export const PolicyMetrics = Schema.Struct({
  algorithm: PolicyAlgorithm,
  timeFrame: TimeFrame,
  asOf: EpochMs,
  state: Schema.Literal("training", "trained", "stopped", "failed"),
  /** What it came to, or what it came to nothing for; empty while it goes on. */
  reason: Reason,
  ...progress,
  /** Growth of log wealth of each episode, the latest last. */
  episodeRewards: Schema.Array(Schema.Finite).pipe(Schema.maxItems(episodeRewardsMax))
})
export type PolicyMetrics = typeof PolicyMetrics.Type

/** A deep policy as it stands. */
export const PolicyStanding = Schema.Struct({
  algorithm: PolicyAlgorithm,
  timeFrame: TimeFrame,
  version: Digest,
  horizonBars: Schema.Int,
  since: EpochMs,
  /** Whether it votes in the place of the Q-table. */
  isServing: Schema.Boolean,
  metrics: Schema.Array(Metric),
  reason: Reason
})
export type PolicyStanding = typeof PolicyStanding.Type

/** What a policy would have come to on bars that it never learned from, acting by itself with its costs. */
export const PolicyEvaluation = Schema.Struct({
  algorithm: PolicyAlgorithm,
  version: Digest,
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  /** When the labels ended that it learned from; what is judged is later. */
  learnedTo: EpochMs,
  /** log(equity at the end / at the beginning). */
  logWealth: Estimate,
  /** Its baselines are buy and hold, and flat. */
  performance: Performance
})
export type PolicyEvaluation = typeof PolicyEvaluation.Type
