/** Decisions on request, as a stream, and replayed from their records. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Decision, DecisionId, DecisionOutcome } from "../Decision.ts"
import {
  AmbiguousInstrument,
  AsOfInFuture,
  DecisionNotFound,
  NotReady,
  StorageFailed,
  UnknownInstrument
} from "../errors.ts"
import { InstrumentId } from "../Instrument.ts"
import { Answer, Probabilities } from "../Opinion.ts"
import { EpochMs, Identifier } from "../wire/Ids.ts"
import { call, streamingCall } from "../wire/Rpc.ts"

/**
 * The decision for an instrument at an as-of (the latest when absent). What is recorded is given again; a
 * what-if, with a horizon or band of its own, is computed, marked by its absence from the journal, and never
 * reaches the broker.
 */
export const Decide = call("Decide", {
  payload: {
    /** An instrument id, or a symbol where it is unambiguous. */
    instrument: Schema.String.pipe(Schema.maxLength(128)),
    asOf: Schema.optional(EpochMs),
    whatIf: Schema.optional(
      Schema.Struct({
        horizonBars: Schema.optional(Schema.Int.pipe(Schema.between(1, 10_000))),
        band: Schema.optional(Schema.Finite.pipe(Schema.positive()))
      })
    )
  },
  success: Decision,
  error: Schema.Union(
    UnknownInstrument,
    AmbiguousInstrument,
    AsOfInFuture,
    DecisionNotFound,
    NotReady,
    StorageFailed
  )
})

/** Recorded decisions in order, those after `from` first, then live ones. */
export const Decisions = streamingCall("Decisions", {
  payload: {
    instrument: Schema.optional(Schema.String.pipe(Schema.maxLength(128))),
    /** How many of the latest recorded ones come first. */
    latest: Schema.Int.pipe(Schema.between(0, 10_000)),
    follow: Schema.Boolean
  },
  success: Decision,
  error: Schema.Union(UnknownInstrument, AmbiguousInstrument, StorageFailed)
})

export const Replayed = Schema.Struct({
  decision: Decision,
  /** What the pure `decide` makes of the recorded inputs now. */
  recomputed: DecisionOutcome,
  /** The fields in which they differ; empty when the record holds. */
  differences: Schema.Array(Schema.String),
  /** With `deep`: what the recorded model versions answer now, and the largest difference of a probability. */
  deep: Schema.NullOr(
    Schema.Array(
      Schema.Struct({ recorded: Answer, now: Answer, probabilityDifferenceMax: Schema.NullOr(Schema.Finite) })
    )
  )
})
export type Replayed = typeof Replayed.Type

/** Recomputes a decision from its record. The id may be shortened to eight or more digits. */
export const Replay = call("Replay", {
  payload: {
    decision: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{8,32}$/)),
    deep: Schema.Boolean
  },
  success: Replayed,
  error: Schema.Union(DecisionNotFound, NotReady, StorageFailed)
})

export const Settled = Schema.Struct({
  /** Position of the round in the journal; 0 when the bars opened none. */
  decisionsSequence: Schema.NonNegativeInt,
  decisions: Schema.NonNegativeInt,
  abstentions: Schema.NonNegativeInt
})

/** Waits until the round of the bars at this position is closed and committed: the barrier of lock-step. */
export const Settle = call("Settle", {
  payload: { barsSequence: Schema.NonNegativeInt },
  success: Settled
})

export const InstrumentState = Schema.Struct({
  instrument: InstrumentId,
  price: Schema.Finite,
  bars: Schema.NonNegativeInt,
  outcomes: Schema.NonNegativeInt,
  baseRate: Probabilities,
  weights: Schema.Array(Schema.Struct({ member: Identifier, weight: Schema.Finite })),
  evidence: Schema.Finite,
  /** Mean log loss of the pool and of the base rate over the matured outcomes. */
  logLoss: Schema.NullOr(Schema.Finite),
  baseLogLoss: Schema.NullOr(Schema.Finite),
  latest: Schema.NullOr(DecisionId)
})
export type InstrumentState = typeof InstrumentState.Type

export const OrchestratorState = Schema.Struct({
  asOf: Schema.NullOr(EpochMs),
  rounds: Schema.NonNegativeInt,
  decisions: Schema.NonNegativeInt,
  abstentions: Schema.NonNegativeInt,
  degraded: Schema.NonNegativeInt,
  instruments: Schema.Array(InstrumentState)
})
export type OrchestratorState = typeof OrchestratorState.Type

/** Where the committee stands: weights, skill and evidence by instrument. */
export const Standing = call("Standing", { payload: {}, success: OrchestratorState })

export class OrchestratorRpcs extends RpcGroup.make(Decide, Decisions, Replay, Settle, Standing) {}
