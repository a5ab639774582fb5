/** One closed interval of one instrument, the event that brings the bars of one as-of, and what befalls their sources. */
import { Schema } from "effect"
import { Instrument, InstrumentId } from "./Instrument.ts"
import { TimeFrame } from "./TimeFrame.ts"
import * as EventType from "./wire/EventType.ts"
import { EpochMs, Identifier, Reason } from "./wire/Ids.ts"
import { Limits } from "./wire/Limits.ts"

const Price = Schema.Finite.pipe(Schema.positive())

export const Bar = Schema.Struct({
  instrument: InstrumentId,
  timeFrame: TimeFrame,
  openTime: EpochMs,
  /** Exclusive end; the bar is visible from max(closeTime, knownAt) on. */
  closeTime: EpochMs,
  open: Price,
  high: Price,
  low: Price,
  close: Price,
  /** In base units; null where the source has none (a close-only series). */
  volume: Schema.NullOr(Schema.Finite.pipe(Schema.nonNegative())),
  /** Whether only closes are known: open, high and low are then copies. */
  closeOnly: Schema.Boolean,
  /** The feed it came from. */
  source: Identifier,
  /** Position within its source, from 0. */
  sequence: Schema.NonNegativeInt,
  /** 0 for the first report, rising with corrections. */
  revision: Schema.NonNegativeInt,
  knownAt: EpochMs
})
export type Bar = typeof Bar.Type

/** The first event of a run: what will come. */
export const FeedOpened = EventType.make({
  type: "FeedOpened",
  version: 1,
  schema: Schema.Struct({
    source: Schema.String.pipe(Schema.maxLength(Limits.reasonCharsMax)),
    timeFrame: TimeFrame,
    instruments: Schema.Array(Instrument).pipe(Schema.minItems(1), Schema.maxItems(Limits.barsPerEventMax)),
    /** As-ofs of the warm-up. */
    warmUp: Schema.NonNegativeInt,
    /** As-ofs altogether; null for a feed without an end. */
    total: Schema.NullOr(Schema.NonNegativeInt),
    /** Milliseconds between two as-ofs; null in lock-step, where the next waits for the last to be settled. */
    paceMs: Schema.NullOr(Schema.Finite.pipe(Schema.positive())),
    /** Whether the bars are of the real world, so that their time is that of the clock; no where it is not said. */
    isLive: Schema.optionalWith(Schema.Boolean, { exact: true })
  })
})
export type FeedOpened = EventType.EventOf<typeof FeedOpened>

/** All bars that became visible at one as-of: features, opinions and decisions wait for the whole event. */
export const BarsClosed = EventType.make({
  type: "BarsClosed",
  version: 1,
  schema: Schema.Struct({
    asOf: EpochMs,
    timeFrame: TimeFrame,
    /** Counts the as-ofs of a run from 0. */
    index: Schema.NonNegativeInt,
    /** Bars of the warm-up are learned from and never traded on. */
    warmUp: Schema.Boolean,
    bars: Schema.Array(Bar).pipe(Schema.minItems(1), Schema.maxItems(Limits.barsPerEventMax))
  })
})
export type BarsClosed = EventType.EventOf<typeof BarsClosed>

/**
 * Bars whose as-of was published without them, and new reports of bars that were published: what has become known
 * since. Nothing that was decided or filled before is changed by it.
 */
export const BarsCorrected = EventType.make({
  type: "BarsCorrected",
  version: 1,
  schema: Schema.Struct({
    /** When they became known, after every as-of that was published before; the `knownAt` of each. */
    asOf: EpochMs,
    timeFrame: TimeFrame,
    /** In the order in which they became known; each with a higher revision than its report before, if there was one. */
    bars: Schema.Array(Bar).pipe(Schema.minItems(1), Schema.maxItems(Limits.barsPerEventMax))
  })
})
export type BarsCorrected = EventType.EventOf<typeof BarsCorrected>

/** The feed has nothing more to give. */
export const FeedEnded = EventType.make({
  type: "FeedEnded",
  version: 1,
  schema: Schema.Struct({
    asOf: EpochMs,
    reason: Schema.String.pipe(Schema.maxLength(Limits.reasonCharsMax))
  })
})
export type FeedEnded = EventType.EventOf<typeof FeedEnded>

/** Another source of the chain gives the bars from here on. */
export const FeedHandedOver = EventType.make({
  type: "FeedHandedOver",
  version: 1,
  schema: Schema.Struct({
    from: Identifier,
    to: Identifier,
    reason: Reason,
    /** By the clock of the day. */
    at: EpochMs,
    /** Open times in [gapFrom, gapTo) were missing at the seam and are asked for from history; equal if none were. */
    gapFrom: EpochMs,
    gapTo: EpochMs
  })
})
export type FeedHandedOver = EventType.EventOf<typeof FeedHandedOver>

/** Two live sources say different things of one bar: told once, until they have agreed again. */
export const FeedsDisagreed = EventType.make({
  type: "FeedsDisagreed",
  version: 1,
  schema: Schema.Struct({
    instrument: InstrumentId,
    openTime: EpochMs,
    sources: Schema.Tuple(Identifier, Identifier),
    /** In the order of the sources. */
    closes: Schema.Tuple(Price, Price),
    /** Difference of the closes by the greater of them. */
    share: Schema.Finite.pipe(Schema.nonNegative()),
    at: EpochMs
  })
})
export type FeedsDisagreed = EventType.EventOf<typeof FeedsDisagreed>

/** A source that had been lost has been well for as long as the chain asks for. */
export const FeedRecovered = EventType.make({
  type: "FeedRecovered",
  version: 1,
  schema: Schema.Struct({ source: Identifier, lostMs: Schema.NonNegativeInt, at: EpochMs })
})
export type FeedRecovered = EventType.EventOf<typeof FeedRecovered>

/** The journal stream that the market-data agent writes. */
export const barsStream = "bars"
export const barsEvents = [
  FeedOpened,
  BarsClosed,
  BarsCorrected,
  FeedEnded,
  FeedHandedOver,
  FeedsDisagreed,
  FeedRecovered
] as const
export type BarsEvent = EventType.EventOf<(typeof barsEvents)[number]>
