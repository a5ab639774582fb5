/** The shared memory: latest and range by type, as of an instant. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Bar } from "../Bar.ts"
import { ContextItem } from "../ContextItem.ts"
import { StorageFailed } from "../errors.ts"
import { InstrumentId } from "../Instrument.ts"
import { TimeFrame } from "../TimeFrame.ts"
import { Digest, EpochMs, Identifier } from "../wire/Ids.ts"
import { call } from "../wire/Rpc.ts"

const about = {
  type: Identifier,
  instrument: Schema.optional(InstrumentId),
  /** Only what was known by then; everything when absent. */
  asOf: Schema.optional(EpochMs)
}

export const Latest = call("Latest", {
  payload: about,
  success: Schema.NullOr(ContextItem),
  error: StorageFailed
})

/** Items that occurred in [from, to), oldest first, at most `limit`. */
export const Range = call("Range", {
  payload: { ...about, from: EpochMs, to: EpochMs, limit: Schema.Int.pipe(Schema.between(1, 500)) },
  success: Schema.Array(ContextItem),
  error: StorageFailed
})

/** The last `count` bars visible at an as-of, oldest first: as they were published first, which is what is decided on. */
export const Bars = call("Bars", {
  payload: {
    instrument: InstrumentId,
    timeFrame: TimeFrame,
    asOf: EpochMs,
    /** Only those that close before it. */
    before: Schema.optional(EpochMs),
    /** With late bars, and each in its latest report, as far as they had become known by the as-of. */
    corrected: Schema.optional(Schema.Boolean),
    count: Schema.Int.pipe(Schema.between(1, 2_000))
  },
  success: Schema.Array(Bar),
  error: StorageFailed
})

/** Keeps an item; its id follows from its content, and giving it again changes nothing. */
export const Keep = call("Keep", {
  payload: { item: ContextItem.omit("id") },
  success: Schema.Struct({ id: Digest, isNew: Schema.Boolean }),
  error: StorageFailed
})

export const ContextState = call("ContextState", {
  payload: {},
  success: Schema.Struct({
    items: Schema.NonNegativeInt,
    byType: Schema.Array(
      Schema.Struct({ type: Identifier, items: Schema.NonNegativeInt, latest: Schema.NullOr(EpochMs) })
    )
  }),
  error: StorageFailed
})

export class ContextRpcs extends RpcGroup.make(Latest, Range, Bars, Keep, ContextState) {}
