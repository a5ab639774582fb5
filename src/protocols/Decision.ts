/**
 * What the orchestrator makes of the opinions. A decision is its inputs, by value, and what the pure `decide`
 * made of them; the latter follows from the former, which is what `replay` checks.
 */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { Answer, Probabilities, Question, Side } from "./Opinion.ts"
import { TimeFrame } from "./TimeFrame.ts"
import * as EventType from "./wire/EventType.ts"
import { Digest, derivedId, Epoch, EpochMs, Identifier, Reason, RunId } from "./wire/Ids.ts"

export const DecisionId = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/))
export type DecisionId = typeof DecisionId.Type

export const DecisionKey = Schema.Struct({
  run: RunId,
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  asOf: EpochMs
})
export type DecisionKey = typeof DecisionKey.Type

export const decisionId = (key: DecisionKey): DecisionId =>
  derivedId("decision", key.run, key.instrument, key.timeFrame, key.asOf)

/** Weights, exposures and bounds that turn probabilities into a target: configuration, part of the record. */
export const Policy = Schema.Struct({
  /** Own answers (no baseline standing in) that a decision needs. */
  quorum: Schema.NonNegativeInt,
  /** Least calibrated probability of the side taken. */
  confidenceMin: Schema.Finite.pipe(Schema.between(0, 1)),
  /** Least probability that the side taken wins, given that the price leaves the band. */
  winProbabilityMin: Schema.Finite.pipe(Schema.between(0, 1)),
  /** Least expected return beyond the round-trip cost, in units of that cost. */
  edgeCostMultipleMin: Schema.Finite.pipe(Schema.nonNegative()),
  /**
   * Chance of claiming skill where there is none: no position before the odds against "the base rate is all
   * there is to know" exceed 1 / alpha.
   */
  skillAlpha: Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(1)),
  /** Share of the growth-optimal (Kelly) exposure taken. */
  kellyFraction: Schema.Finite.pipe(Schema.between(0, 1)),
  /** Largest absolute exposure in one instrument, a share of the equity. */
  exposureMax: Schema.Finite.pipe(Schema.between(0, 10)),
  allowShort: Schema.Boolean,
  /** Oldest bar decided on, in milliseconds between its as-of and now; irrelevant in lock-step. */
  stalenessMaxMs: Schema.NonNegativeInt
})
export type Policy = typeof Policy.Type

export const WeightedMember = Schema.Struct({
  /** A voter, or `baseline`: the base rate, which is always a member of the pool. */
  member: Identifier,
  weight: Schema.Finite.pipe(Schema.between(0, 1))
})
export type WeightedMember = typeof WeightedMember.Type

/** The account as the decision saw it; null when no broker answered. */
export const AccountView = Schema.Struct({
  equity: Schema.Finite,
  /** Of the instrument decided on: signed value of the position over the equity. */
  exposure: Schema.Finite,
  stopped: Schema.Boolean
})
export type AccountView = typeof AccountView.Type

export const DecisionInputs = Schema.Struct({
  question: Question,
  answers: Schema.Array(Answer),
  weights: Schema.Array(WeightedMember),
  /** How often each side came true so far, and over how many matured outcomes. */
  baseRate: Schema.Struct({ probabilities: Probabilities, outcomes: Schema.NonNegativeInt }),
  /** Mixture over the tempering exponents of the calibrator, in their order. */
  calibration: Schema.Array(Schema.Finite.pipe(Schema.between(0, 1))),
  /** Logarithm of the odds gathered against the base rate (an e-process), and its outcomes. */
  evidence: Schema.Struct({ logOdds: Schema.Finite, outcomes: Schema.NonNegativeInt }),
  account: Schema.NullOr(AccountView),
  /** Whether the bars belong to the warm-up, which is learned from and never traded on. */
  warmUp: Schema.Boolean,
  /** Milliseconds between the as-of and the decision; 0 in lock-step. */
  ageMs: Schema.NonNegativeInt,
  policy: Policy
})
export type DecisionInputs = typeof DecisionInputs.Type

export const GuardName = Schema.Literal(
  "quorum",
  "warm-up",
  "staleness",
  "kill-switch",
  "skill",
  "confidence",
  "win-probability",
  "edge",
  "risk"
)
export type GuardName = typeof GuardName.Type

export const Verdict = Schema.Struct({
  guard: GuardName,
  passed: Schema.Boolean,
  /** What was measured, and what it was held against; null where there is nothing to measure. */
  value: Schema.NullOr(Schema.Finite),
  limit: Schema.NullOr(Schema.Finite),
  reason: Reason
})
export type Verdict = typeof Verdict.Type

/**
 * - `directional`: a new target in the direction of the pool;
 * - `keep`: nothing new, what is held stays;
 * - `exit`: the pool has turned against what is held;
 * - `stand-aside`: nothing held, nothing wanted;
 * - `degraded`: no quorum, or no account to go by: nothing is changed;
 * - `flatten`: the kill switch is on.
 */
export const Strategy = Schema.Literal("directional", "keep", "exit", "stand-aside", "degraded", "flatten")
export type Strategy = typeof Strategy.Type

export const DecisionOutcome = Schema.Struct({
  action: Side,
  strategy: Strategy,
  /** Signed share of the equity to hold in the instrument. */
  targetExposure: Schema.Finite,
  /** Calibrated probability of the action. */
  confidence: Schema.Finite.pipe(Schema.between(0, 1)),
  pooled: Probabilities,
  calibrated: Probabilities,
  expectedReturn: Schema.Finite,
  spread: Schema.Finite.pipe(Schema.nonNegative()),
  verdicts: Schema.Array(Verdict),
  /** Why the decision is not what it would be with everyone there; null when nothing is missing. */
  degraded: Schema.NullOr(Reason)
})
export type DecisionOutcome = typeof DecisionOutcome.Type

export const Decision = Schema.Struct({
  id: DecisionId,
  key: DecisionKey,
  ...DecisionOutcome.fields,
  inputs: DecisionInputs,
  modelVersions: Schema.Array(Schema.Struct({ voter: Identifier, version: Digest })),
  epoch: Epoch,
  traceId: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/))
})
export type Decision = typeof Decision.Type

/** The label of a question, once its horizon has passed. */
export const MaturedOutcome = Schema.Struct({
  instrument: InstrumentId,
  /** Of the question. */
  asOf: EpochMs,
  maturedAt: EpochMs,
  /** Log return from the first possible fill to the end of the horizon. */
  return: Schema.Finite,
  label: Side
})
export type MaturedOutcome = typeof MaturedOutcome.Type

/**
 * One round, closed: the outcomes that matured before it and the decisions it made. A round too large for one
 * message is written in parts; it is settled with its last.
 */
export const RoundClosed = EventType.make({
  type: "RoundClosed",
  version: 1,
  schema: Schema.Struct({
    asOf: EpochMs,
    /** Position of the bars it was made on. */
    barsSequence: Schema.NonNegativeInt,
    part: Schema.NonNegativeInt,
    parts: Schema.Int.pipe(Schema.greaterThanOrEqualTo(1)),
    outcomes: Schema.Array(MaturedOutcome),
    decisions: Schema.Array(Decision)
  })
})
export type RoundClosed = EventType.EventOf<typeof RoundClosed>

/** The journal stream that the orchestrator writes. */
export const decisionsStream = "decisions"
export const decisionsEvents = [RoundClosed] as const

/** A single decision as plain subscribers see it, on `topic.decisions.<instrument>`, after the journal took it. */
export const DecisionMade = EventType.make({ type: "DecisionMade", version: 1, schema: Decision })
export type DecisionMade = EventType.EventOf<typeof DecisionMade>
