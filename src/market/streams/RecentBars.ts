/**
 * The latest bars of one instrument, oldest first: a bounded fold. A correction takes the place of the bar it corrects;
 * what comes again changes nothing, and neither does a bar that is older than what is there and corrects nothing.
 *
 * Invariant: open times rise strictly.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"

/** Bars of an instrument that are kept: what the longest window of a stream needs, and corrections that come late. */
export const recentBarsMax = 80
/** A little more, so that the front is not cut off at every bar. */
const slack = 16

/** What streams read of an instrument. */
export interface FollowedInstrument {
  readonly instrument: Instrument
  readonly bars: ReadonlyArray<Bar>
}

/** Takes a bar in, changing the array; true where it is a new one at the end. */
export const takeBar = (bars: Array<Bar>, bar: Bar): boolean => {
  const last = bars.at(-1)
  if (last === undefined || bar.openTime > last.openTime) {
    bars.push(bar)
    if (bars.length > recentBarsMax + slack) bars.splice(0, bars.length - recentBarsMax)
    return true
  }
  const at = bars.findLastIndex(({ openTime }) => openTime === bar.openTime)
  const held = bars[at]
  if (held !== undefined && bar.revision > held.revision) bars[at] = bar
  return false
}

/** When a bar can be seen. */
export const visibleFrom = ({ closeTime, knownAt }: Bar): number => Math.max(closeTime, knownAt)

/** The bars that are visible at an as-of, the last `count` of them. */
export const visibleBars = (
  bars: ReadonlyArray<Bar>,
  asOf: number,
  count = Number.POSITIVE_INFINITY
): ReadonlyArray<Bar> => {
  const seen = bars.filter((bar) => visibleFrom(bar) <= asOf)
  return seen.length > count ? seen.slice(-count) : seen
}

/** Log returns from close to close, one fewer than bars. */
export const logReturns = (bars: ReadonlyArray<Bar>): Float64Array => {
  const returns = new Float64Array(Math.max(bars.length - 1, 0))
  for (let i = 1; i < bars.length; i++) {
    returns[i - 1] = Math.log((bars[i] as Bar).close / (bars[i - 1] as Bar).close)
  }
  return returns
}
