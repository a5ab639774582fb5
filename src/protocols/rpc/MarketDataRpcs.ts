/** The feed: which instruments it brings and how far it is. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Instrument } from "../Instrument.ts"
import { TimeFrame } from "../TimeFrame.ts"
import { EpochMs, Reason } from "../wire/Ids.ts"
import { call } from "../wire/Rpc.ts"

export const Instruments = call("Instruments", {
  payload: {},
  success: Schema.Array(Instrument)
})

/** How one source of a chain does. */
export const FeedSourceState = Schema.Struct({
  name: Schema.String,
  kind: Schema.String,
  /** `history` has no live bars and only fills gaps. */
  role: Schema.Literal("active", "standby", "history"),
  /** `late`: connected, and behind the others. */
  state: Schema.Literal("connecting", "well", "late", "down"),
  breaker: Schema.Literal("closed", "open", "half-open"),
  /** Null while it is not well. */
  wellForMs: Schema.NullOr(Schema.NonNegativeInt),
  bars: Schema.NonNegativeInt,
  failures: Schema.NonNegativeInt,
  /** Messages and rows that were to be bars and are none, since the source was opened. */
  refused: Schema.optional(Schema.NonNegativeInt),
  /** Bars that another source had otherwise. */
  disagreements: Schema.NonNegativeInt,
  lastBarAt: Schema.NullOr(EpochMs),
  /** From the close of a bar to its arrival, smoothed. */
  latencyMs: Schema.NullOr(Schema.NonNegativeInt),
  lastFailure: Schema.NullOr(Reason)
})
export type FeedSourceState = typeof FeedSourceState.Type

export const FeedState = Schema.Struct({
  source: Schema.String,
  timeFrame: Schema.NullOr(TimeFrame),
  phase: Schema.Literal("loading", "warm-up", "trading", "ended"),
  /** As-ofs published, and how many there will be; null for a feed without an end. */
  published: Schema.NonNegativeInt,
  total: Schema.NullOr(Schema.NonNegativeInt),
  warmUpTotal: Schema.NonNegativeInt,
  barsRead: Schema.NonNegativeInt,
  rowsRefused: Schema.NonNegativeInt,
  gaps: Schema.NonNegativeInt,
  barsMissing: Schema.NonNegativeInt,
  asOf: Schema.NullOr(EpochMs),
  /** Value at the latest closes of the starting equity held in equal parts since the first tradable bar. */
  buyAndHoldEquity: Schema.NullOr(Schema.Finite),
  /** Of a live feed, in the order of preference. */
  sources: Schema.optional(Schema.Array(FeedSourceState)),
  /** Of a live feed, over the whole run. */
  handOvers: Schema.optional(Schema.NonNegativeInt),
  /** Of a live feed, over the whole run: late bars and corrections that were published. */
  corrections: Schema.optional(Schema.NonNegativeInt)
})
export type FeedState = typeof FeedState.Type

export const Feed = call("Feed", { payload: {}, success: FeedState })

export class MarketDataRpcs extends RpcGroup.make(Instruments, Feed) {}
