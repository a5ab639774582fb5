/**
 * How far the feed is, which of its sources is active, and what buying and holding would have come to: a fold over its
 * own stream.
 */
import { Schema } from "effect"
import { type Costs, oneWay } from "../../market/Costs.ts"
import type { BarsEvent } from "../../protocols/Bar.ts"
import { EpochMs } from "../../protocols/wire/Ids.ts"

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
  recoveries: Schema.NonNegativeInt
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
  recoveries: 0
}

export const evolve = (state: FeedFold, event: BarsEvent): FeedFold => {
  switch (event.type) {
    case "FeedOpened":
      return { ...state, isOpen: true, instruments: event.payload.instruments.length }
    case "FeedEnded":
      return { ...state, hasEnded: true }
    case "FeedHandedOver":
      return { ...state, active: event.payload.to, handOvers: state.handOvers + 1 }
    case "FeedsDisagreed":
      return { ...state, disagreements: state.disagreements + 1 }
    case "FeedRecovered":
      return { ...state, recoveries: state.recoveries + 1 }
    case "BarsClosed": {
      const { asOf, bars, index, warmUp } = event.payload
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
        canTrade: state.canTrade || !warmUp
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
