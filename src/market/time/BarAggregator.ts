/**
 * Bars of a longer time frame from those of a shorter one, bar by bar: the first open, the highest high, the lowest low,
 * the last close and the sum of the volumes of what lies in each longer interval. This is the definition; `aggregateBars`
 * folds it over a series.
 *
 * An interval is closed when a bar comes that ends with it or lies behind it, or when the clock says so (`closeUpTo`);
 * the bar of it is the same. What is made of missing bars is said by the policy:
 * - `keep-gap`: the interval is made of what is there; one without any bar has none;
 * - `require-complete`: an interval in which a bar is missing has none;
 * - `carry-forward`: a flat bar at the last close with a volume of 0 stands in for each missing bar, at most
 *   `carriedBarsMax` after the last real one; `carried` counts them.
 *
 * A bar that touches no session of the calendar (before the opening, on a holiday) is left out: the bar of a day is that
 * of its session.
 *
 * What can go wrong: bars pushed in another order than that of time, or after their interval was closed (BarOutOfOrder);
 * time frames that do not go into each other (AggregationInvalid). Both are thrown.
 * Invariants: an interval counts only when it is over, and its bar follows from what lies in it and, carried forward,
 * from the close before; the interval that the first bar lies in counts only if no bar is missing before that one.
 */
import type { Calendar } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { barsBetween, closeTimeOf, intervalStart } from "./Calendar.ts"
import { AggregationInvalid, BarOutOfOrder } from "./errors.ts"

export const gapPolicies = ["keep-gap", "require-complete", "carry-forward"] as const
export type GapPolicy = (typeof gapPolicies)[number]

/** Missing bars that are filled in after a real one: what stood still for longer has no price. */
export const carriedBarsMaxDefault = 500

/** What is taken of a bar; `Bar` is one. */
export interface AggregatedBar {
  readonly openTime: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number | null
  readonly knownAt: number
}

export interface HigherBar extends AggregatedBar {
  /** When its interval ends; it is visible from max(closeTime, knownAt) on. */
  readonly closeTime: number
  /** The latest of its bars. */
  readonly knownAt: number
  /** Real bars that it is made of. */
  readonly bars: number
  /** Bars that stand in for missing ones. */
  readonly carried: number
}

export interface BarAggregatorOptions {
  readonly from: TimeFrame
  readonly to: TimeFrame
  readonly calendar: Calendar
  readonly gaps?: GapPolicy
  readonly carriedBarsMax?: number
}

export interface BarAggregator {
  /** Takes the next bar, and gives the longer ones that are closed with it, the oldest first. */
  readonly push: (bar: AggregatedBar) => ReadonlyArray<HigherBar>
  /** Gives the longer bars that are over at the as-of; no bar of theirs may be pushed any more. */
  readonly closeUpTo: (asOf: number) => ReadonlyArray<HigherBar>
}

export const addsUp = (from: TimeFrame, to: TimeFrame): boolean => toMs(to) % toMs(from) === 0

const none: ReadonlyArray<HigherBar> = []

export const makeBarAggregator = ({
  calendar,
  carriedBarsMax = carriedBarsMaxDefault,
  from,
  gaps = "keep-gap",
  to
}: BarAggregatorOptions): BarAggregator => {
  if (!addsUp(from, to)) throw new AggregationInvalid({ from, to })
  const own = toMs(from)
  const frame = toMs(to)

  // Fields of an object and not variables: the engine allocates at each change of a captured variable.
  const held = {
    /** Whether an interval is being filled: from its first bar until it is closed. */
    isOpen: false,
    start: Number.NaN,
    closeTime: Number.NaN,
    open: Number.NaN,
    high: Number.NaN,
    low: Number.NaN,
    close: Number.NaN,
    volume: Number.NaN,
    hasVolume: true,
    isWhole: true,
    knownAt: Number.NaN,
    bars: 0,
    carried: 0,
    /** Of the last bar, carried or not. */
    lastOpenTime: Number.NEGATIVE_INFINITY,
    /** Intervals before this are closed. */
    closedBefore: Number.NEGATIVE_INFINITY,
    carriedSinceReal: 0
  }

  const touchesSession = (openTime: number): boolean =>
    calendar === "always" || barsBetween(calendar, own, openTime, openTime + own) > 0

  const isComplete = (): boolean => {
    const phase = (held.lastOpenTime - held.start) % own
    return held.bars >= barsBetween(calendar, own, held.start + phase, held.start + frame)
  }

  const finish = (into: Array<HigherBar>) => {
    held.isOpen = false
    held.closedBefore = held.start + frame
    if (!held.isWhole || (gaps === "require-complete" && !isComplete())) return
    into.push({
      openTime: held.start,
      closeTime: held.closeTime,
      open: held.open,
      high: held.high,
      low: held.low,
      close: held.close,
      volume: held.hasVolume ? held.volume : null,
      knownAt: held.knownAt,
      bars: held.bars,
      carried: held.carried
    })
  }

  const begin = (openTime: number, price: number) => {
    const start = intervalStart(frame, openTime)
    const isFirst = held.closedBefore === Number.NEGATIVE_INFINITY
    held.isWhole = !isFirst || barsBetween(calendar, own, start + ((openTime - start) % own), openTime) === 0
    held.isOpen = true
    held.start = start
    held.closeTime = closeTimeOf(calendar, frame, start)
    held.open = price
    held.high = Number.NEGATIVE_INFINITY
    held.low = Number.POSITIVE_INFINITY
    held.volume = 0
    held.hasVolume = true
    held.knownAt = Number.NEGATIVE_INFINITY
    held.bars = 0
    held.carried = 0
  }

  const add = (bar: AggregatedBar, isCarried: boolean, into: Array<HigherBar>) => {
    const { openTime, volume } = bar
    if (held.isOpen && openTime >= held.start + frame) finish(into)
    if (!held.isOpen) begin(openTime, bar.open)
    held.high = Math.max(held.high, bar.high)
    held.low = Math.min(held.low, bar.low)
    held.close = bar.close
    if (volume === null) held.hasVolume = false
    else held.volume += volume
    held.knownAt = Math.max(held.knownAt, bar.knownAt)
    if (isCarried) held.carried++
    else held.bars++
    held.carriedSinceReal = isCarried ? held.carriedSinceReal + 1 : 0
    held.lastOpenTime = openTime
    if (closeTimeOf(calendar, own, openTime) >= held.closeTime) finish(into)
  }

  /** Flat bars where some are missing and `isDue` says that they are not to come any more. */
  const carry = (isDue: (openTime: number) => boolean, into: Array<HigherBar>) => {
    if (held.lastOpenTime === Number.NEGATIVE_INFINITY) return
    const { close } = held
    const volume = held.hasVolume ? 0 : null
    let openTime = held.lastOpenTime + own
    for (; held.carriedSinceReal < carriedBarsMax && isDue(openTime); openTime += own) {
      if (!touchesSession(openTime)) continue
      const knownAt = closeTimeOf(calendar, own, openTime)
      add({ openTime, open: close, high: close, low: close, close, volume, knownAt }, true, into)
    }
  }

  return {
    push: (bar) => {
      const { openTime } = bar
      if (!touchesSession(openTime)) return none
      if (openTime <= held.lastOpenTime || openTime < held.closedBefore) {
        throw new BarOutOfOrder({
          openTime,
          after: Math.max(held.lastOpenTime + own, held.closedBefore)
        })
      }
      const closed: Array<HigherBar> = []
      if (gaps === "carry-forward") carry((missing) => missing < openTime, closed)
      add(bar, false, closed)
      return closed
    },
    closeUpTo: (asOf) => {
      const closed: Array<HigherBar> = []
      const isOver = (missing: number) => closeTimeOf(calendar, frame, intervalStart(frame, missing)) <= asOf
      if (gaps === "carry-forward") carry(isOver, closed)
      if (held.isOpen && held.closeTime <= asOf) finish(closed)
      return closed
    }
  }
}
