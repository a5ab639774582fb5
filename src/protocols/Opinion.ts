/** What a round asks, and what a voter answers. */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { TimeFrame } from "./TimeFrame.ts"
import { Digest, EpochMs, Identifier, Reason } from "./wire/Ids.ts"

export const Side = Schema.Literal("sell", "hold", "buy")
export type Side = typeof Side.Type

const Probability = Schema.Finite.pipe(Schema.between(0, 1))

/** A distribution over the three sides; sums to one within 1e-6. */
export const Probabilities = Schema.Struct({ sell: Probability, hold: Probability, buy: Probability }).pipe(
  Schema.filter((p) => Math.abs(p.sell + p.hold + p.buy - 1) <= 1e-6 || "probabilities do not sum to one")
)
export type Probabilities = typeof Probabilities.Type

/**
 * What a round asks of one instrument. The label is the log return from the first possible fill to the end of
 * the horizon: `sell` below `-band`, `buy` above `band`, `hold` between.
 */
export const Question = Schema.Struct({
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  asOf: EpochMs,
  /** Bars from the fill to the end of the horizon. */
  horizonBars: Schema.Int.pipe(Schema.between(1, 10_000)),
  /** Half the width of the hold zone, a log return: max(round-trip cost, 0.25 sigma). */
  band: Schema.Finite.pipe(Schema.positive()),
  /** Fees, spread and slippage of going in and out, a share of the notional. */
  roundTripCost: Schema.Finite.pipe(Schema.nonNegative()),
  /** Standard deviation of the horizon's log return, as known at the as-of. */
  sigma: Schema.Finite.pipe(Schema.nonNegative())
})
export type Question = typeof Question.Type

/** Who answered in the place of the voter's active model, if anyone. */
export const StandIn = Schema.Literal("none", "previous", "baseline")
export type StandIn = typeof StandIn.Type

export const Opinion = Schema.TaggedStruct("Opinion", {
  voter: Identifier,
  instrument: InstrumentId,
  probabilities: Probabilities,
  /** Of the label, a log return. */
  expectedReturn: Schema.Finite,
  /** Standard deviation of the label around it. */
  spread: Schema.Finite.pipe(Schema.nonNegative()),
  reason: Reason,
  /** The digest of the artefact that answered; null for the baseline, which has none. */
  modelVersion: Schema.NullOr(Digest),
  standIn: StandIn
})
export type Opinion = typeof Opinion.Type

/** No answer, and why. It is not a vote for hold. */
export const Abstention = Schema.TaggedStruct("Abstention", {
  voter: Identifier,
  instrument: InstrumentId,
  reason: Reason
})
export type Abstention = typeof Abstention.Type

export const Answer = Schema.Union(Opinion, Abstention)
export type Answer = typeof Answer.Type

/** Which of a voter's models is asked: the active one, the one before it, or one version by its digest. */
export const ModelChoice = Schema.Union(Schema.Literal("active", "previous"), Digest)
export type ModelChoice = typeof ModelChoice.Type
