/**
 * How far the feed is, which of its sources is active, what it published lately, and what buying and holding would have
 * come to: a fold over its own stream.
 */
import { Schema } from "effect"
import { type Costs, oneWay } from "../../market/Costs.ts"
import type { Bar, BarsEvent } from "../../protocols/Bar.ts"
import { EpochMs } from "../../protocols/wire/Ids.ts"
import { correctionLimits } from "./Corrections.ts"

interface Published {
  readonly asOf: number
  readonly bars: ReadonlyArray<Bar>
}

/** Snapshots are written here alone and bear a hash: to look at a thousand bars again takes longer than there is time. */
const listOf = <Item>() =>
  Schema.declare((input: unknown): input is ReadonlyArray<Item> => Array.isArray(input))

export const FeedFold = Schema.Struct({
  isOpen: Schema.Boolean,
  /** Index of the next as-of. */
  next: Schema.NonNegativeInt,
  asOf: Schema.NullOr(EpochMs),
  bars: Schema.NonNegativeInt,
  isWarmUp: Schema.Boolean,
  hasEnded: Schema.Boolean,
  instruments: Schema.NonNegativeInt,
  /** By instrument: the first price at which it could have been bought after the warm-up, and its latest close. */
  held: Schema.Array(
    Schema.Struct({ instrument: Schema.String, entry: Schema.Finite, close: Schema.Finite })
  ),
  /** Whether a decision has been possible: the next bars are the first that can fill. */
  canTrade: Schema.Boolean,
  /** Of a chain: the source that leads, null before the first hand-over. */
  active: Schema.NullOr(Schema.String),
  handOvers: Schema.NonNegativeInt,
  disagreements: Schema.NonNegativeInt,
  recoveries: Schema.NonNegativeInt,
  /** In lock-step nothing comes late. */
  isLockStep: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Whether the stream says that the bars are of the real world. */
  isLive: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Unless in lock-step, the latest as-ofs as they were published first, the oldest first. */
  recent: Schema.optionalWith(listOf<Published>(), { default: () => [] }),
  /** What was published of their bars since, in order. */
  corrected: Schema.optionalWith(listOf<Bar>(), { default: () => [] }),
  /** As-of of the latest corrections, null before the first. */
  correctedAsOf: Schema.optionalWith(Schema.NullOr(EpochMs), { default: () => null }),
  /** Late bars and corrections, over the whole run. */
  corrections: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 })
})
export type FeedFold = typeof FeedFold.Type

export const empty: FeedFold = {
  isOpen: false,
  next: 0,
  asOf: null,
  bars: 0,
  isWarmUp: true,
  hasEnded: false,
  instruments: 0,
  held: [],
  canTrade: false,
  active: null,
  handOvers: 0,
  disagreements: 0,
  recoveries: 0,
  isLockStep: false,
  isLive: false,
  recent: [],
  corrected: [],
  correctedAsOf: null,
  corrections: 0
}

/** The latest as-ofs with one more: as many as are corrected, and always the last. */
const remember = (recent: ReadonlyArray<Published>, published: Published): ReadonlyArray<Published> => {
  const all = [...recent, published]
  let bars = all.reduce((sum, one) => sum + one.bars.length, 0)
  let from = 0
  for (; from < all.length - 1; from++) {
    const { asOfsMax, barsMax } = correctionLimits
    if (all.length - from <= asOfsMax && bars <= barsMax) break
    bars -= all[from]?.bars.length ?? 0
  }
  return from === 0 ? all : all.slice(from)
}

export const evolve = (state: FeedFold, event: BarsEvent): FeedFold => {
  switch (event.type) {
    case "FeedOpened":
      return {
        ...state,
        isOpen: true,
        instruments: event.payload.instruments.length,
        isLockStep: event.payload.paceMs === null,
        isLive: event.payload.isLive ?? false
      }
    case "FeedEnded":
      return { ...state, hasEnded: true }
    case "FeedHandedOver":
      return { ...state, active: event.payload.to, handOvers: state.handOvers + 1 }
    case "FeedsDisagreed":
      return { ...state, disagreements: state.disagreements + 1 }
    case "FeedRecovered":
      return { ...state, recoveries: state.recoveries + 1 }
    case "BarsCorrected": {
      const { asOf: correctedAsOf, bars } = event.payload
      return {
        ...state,
        corrected: [...state.corrected, ...bars],
        correctedAsOf,
        corrections: state.corrections + bars.length
      }
    }
    case "BarsClosed": {
      const { asOf, bars, index, warmUp } = event.payload
      const recent = state.isLockStep ? state.recent : remember(state.recent, { asOf, bars })
      const oldest = recent[0]?.asOf ?? asOf
      let { held } = state
      if (state.canTrade) {
        const byInstrument = new Map(held.map((position) => [position.instrument, position]))
        for (const bar of bars) {
          const entry = byInstrument.get(bar.instrument)?.entry ?? (bar.closeOnly ? bar.close : bar.open)
          byInstrument.set(bar.instrument, { instrument: bar.instrument, entry, close: bar.close })
        }
        held = [...byInstrument.values()]
      }
      return {
        ...state,
        next: index + 1,
        asOf,
        bars: state.bars + bars.length,
        isWarmUp: warmUp,
        held,
        canTrade: state.canTrade || !warmUp,
        recent,
        corrected:
          state.corrected.length === 0
            ? state.corrected
            : state.corrected.filter(({ closeTime }) => closeTime >= oldest)
      }
    }
  }
}

/** The starting cash in equal parts, each put into its instrument at the first price it could be had at. */
export const buyAndHoldEquity = (state: FeedFold, startingCash: number, costs: Costs): number => {
  if (state.instruments === 0) return startingCash
  const part = startingCash / state.instruments
  const gains = state.held.map(({ close, entry }) => part * ((close / entry) * (1 - oneWay(costs)) - 1))
  return startingCash + gains.reduce((sum, gain) => sum + gain, 0)
}
