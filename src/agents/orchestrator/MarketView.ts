/**
 * What the orchestrator knows of the market: a fold over bars. By instrument: the volatility as known, the bars
 * that open questions still need, and how often each side came true (the base rate), counted over every bar
 * since the beginning and not only over those that were decided on.
 */
import { Schema } from "effect"
import { bandOf, barsUntilMature, labelOf, labelReturn } from "../../market/Label.ts"
import type { Bar, BarsClosed, BarsEvent } from "../../protocols/Bar.ts"
import { Instrument, InstrumentId } from "../../protocols/Instrument.ts"
import type { Question } from "../../protocols/Opinion.ts"
import { TimeFrame } from "../../protocols/TimeFrame.ts"
import { EpochMs } from "../../protocols/wire/Ids.ts"

/** Of the exponentially weighted variance: about the last 33 bars. */
const decay = 0.97
/** Before so many returns the variance is no estimate, and nothing is asked. */
export const returnsMin = 20
/** Of each side, added to the counts: the base rate of no outcomes is uniform. */
const priorCount = 1

/** A bar whose label is still open, with the band as known at it. */
const OpenLabel = Schema.Struct({ asOf: EpochMs, band: Schema.Finite })

const Prices = Schema.Struct({ asOf: EpochMs, open: Schema.Finite, close: Schema.Finite })

export const InstrumentView = Schema.Struct({
  instrument: InstrumentId,
  closeOnly: Schema.Boolean,
  bars: Schema.NonNegativeInt,
  asOf: EpochMs,
  close: Schema.Finite,
  /** Of one bar's log return. */
  variance: Schema.Finite,
  /** The latest bars, oldest first; as many as a horizon needs. */
  recent: Schema.Array(Prices),
  open: Schema.Array(OpenLabel),
  counts: Schema.Struct({ sell: Schema.Finite, hold: Schema.Finite, buy: Schema.Finite })
})
export type InstrumentView = typeof InstrumentView.Type

export const MarketView = Schema.Struct({
  timeFrame: Schema.NullOr(TimeFrame),
  asOf: Schema.NullOr(EpochMs),
  /** Milliseconds between two as-ofs; null in lock-step. */
  paceMs: Schema.NullOr(Schema.Finite),
  feedEnded: Schema.Boolean,
  listed: Schema.Array(Instrument),
  instruments: Schema.Array(InstrumentView)
})
export type MarketView = typeof MarketView.Type

export const empty: MarketView = {
  timeFrame: null,
  asOf: null,
  paceMs: null,
  feedEnded: false,
  listed: [],
  instruments: []
}

export interface MarketViewOptions {
  readonly horizonBars: number
  readonly roundTripCost: number
}

export const sigmaOf = (view: InstrumentView, horizonBars: number): number =>
  Math.sqrt(view.variance * horizonBars)

/** The share of the outcomes so far on each side. */
export const baseRateOf = (view: InstrumentView) => {
  const { buy, hold, sell } = view.counts
  const outcomes = sell + hold + buy
  const share = (count: number) => (count + priorCount) / (outcomes + 3 * priorCount)
  return { probabilities: { sell: share(sell), hold: share(hold), buy: share(buy) }, outcomes }
}

/** The log return of the question asked at an as-of, once the view holds the bars it needs. */
export const returnOf = (view: InstrumentView, asOf: number, horizonBars: number): number | undefined => {
  const { closeOnly, recent } = view
  const asked = recent.findIndex((prices) => prices.asOf === asOf)
  if (asked < 0) return undefined
  const entry = recent[asked + 1]
  const exit = recent[asked + barsUntilMature(horizonBars, closeOnly)]
  if (entry === undefined || exit === undefined) return undefined
  return labelReturn(closeOnly ? entry.close : entry.open, exit.close)
}

const observe = (
  before: InstrumentView | undefined,
  bar: Bar,
  options: MarketViewOptions
): InstrumentView => {
  const { horizonBars, roundTripCost } = options
  const bars = (before?.bars ?? 0) + 1
  const change = before === undefined ? 0 : Math.log(bar.close / before.close)
  // The mean of the squares while there are few, exponentially weighted from then on.
  const weight = Math.max(1 - decay, 1 / Math.max(bars - 1, 1))
  const variance = before === undefined ? 0 : before.variance + weight * (change ** 2 - before.variance)
  const recent = [...(before?.recent ?? []), { asOf: bar.closeTime, open: bar.open, close: bar.close }].slice(
    -(horizonBars + 2)
  )
  const moved: InstrumentView = {
    instrument: bar.instrument,
    closeOnly: bar.closeOnly,
    bars,
    asOf: bar.closeTime,
    close: bar.close,
    variance,
    recent,
    open: before?.open ?? [],
    counts: before?.counts ?? { sell: 0, hold: 0, buy: 0 }
  }
  let counts = moved.counts
  const open = moved.open.filter(({ asOf, band }) => {
    const logReturn = returnOf(moved, asOf, horizonBars)
    if (logReturn === undefined) return true
    const label = labelOf(logReturn, band)
    counts = { ...counts, [label]: counts[label] + 1 }
    return false
  })
  const isAsked = bars > returnsMin
  const band = bandOf(roundTripCost, sigmaOf(moved, horizonBars))
  return { ...moved, counts, open: isAsked ? [...open, { asOf: bar.closeTime, band }] : open }
}

const apply = (view: MarketView, { payload }: BarsClosed, options: MarketViewOptions): MarketView => {
  // An as-of comes once: what was seen before changes nothing.
  if (view.asOf !== null && payload.asOf <= view.asOf) return view
  const instruments = new Map(view.instruments.map((known) => [known.instrument, known]))
  for (const bar of payload.bars) {
    instruments.set(bar.instrument, observe(instruments.get(bar.instrument), bar, options))
  }
  return { ...view, timeFrame: payload.timeFrame, asOf: payload.asOf, instruments: [...instruments.values()] }
}

export const evolve =
  (options: MarketViewOptions) =>
  (view: MarketView, event: BarsEvent): MarketView => {
    switch (event.type) {
      case "FeedOpened": {
        const { instruments, paceMs, timeFrame } = event.payload
        return { ...view, listed: instruments, paceMs, timeFrame, feedEnded: false }
      }
      case "BarsClosed":
        return apply(view, event, options)
      case "FeedEnded":
        return { ...view, feedEnded: true }
      default:
        return view
    }
  }

/** What a round at this view asks of an instrument; undefined while its volatility is not known. */
export const questionOf = (
  view: MarketView,
  instrument: InstrumentView,
  options: MarketViewOptions
): Question | undefined => {
  if (view.timeFrame === null || instrument.bars <= returnsMin) return undefined
  const sigma = sigmaOf(instrument, options.horizonBars)
  return {
    instrument: instrument.instrument,
    timeFrame: view.timeFrame,
    asOf: instrument.asOf,
    horizonBars: options.horizonBars,
    band: bandOf(options.roundTripCost, sigma),
    roundTripCost: options.roundTripCost,
    sigma
  }
}
