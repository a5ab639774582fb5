/** The feed: which instruments it brings and how far it is. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Instrument } from "../Instrument.ts"
import { TimeFrame } from "../TimeFrame.ts"
import { EpochMs } from "../wire/Ids.ts"
import { call } from "../wire/Rpc.ts"

export const Instruments = call("Instruments", {
  payload: {},
  success: Schema.Array(Instrument)
})

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
  buyAndHoldEquity: Schema.NullOr(Schema.Finite)
})
export type FeedState = typeof FeedState.Type

export const Feed = call("Feed", { payload: {}, success: FeedState })

export class MarketDataRpcs extends RpcGroup.make(Instruments, Feed) {}
