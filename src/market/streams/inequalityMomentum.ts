/**
 * The inequality-momentum stream. Where wealth concentrates, it looks for assets, and prices rise with it: the stream
 * says when inequality and prices move together.
 *
 * - G: the Gini coefficient of the dollar volume of the n instruments followed over the last 24 bars, times n / (n - 1),
 *   so that it reaches 1 however few there are (Deltas, 2003); or a series from outside, where one is configured.
 * - trend: the self-normalised sum of its last 24 steps; momentum: that of the last 24 log returns of the market, and of
 *   each instrument.
 * - signal = sign sqrt(u(trend) u(momentum)) where both have one sign, else 0, with u(z) = 1 - exp(-z^2 / 2). In [-1, 1];
 *   a moment is a signal of at least 0.5 either way.
 */
import { type InequalityReading, unavailable } from "../../protocols/Streams.ts"
import { giniOf } from "../features/crossSection.ts"
import { type DatedSeries, rowsKnownAt } from "./DatedSeries.ts"
import { type MarketSeries, observedAt } from "./MarketSeries.ts"
import { type FollowedInstrument, logReturns, visibleBars } from "./RecentBars.ts"
import { selfNormalised, unusualness } from "./unusualness.ts"

export const inequalityDefinition = 1

/** Bars that the dollar volume is summed over, and steps of the trend and of the momentum. */
const [volumeBars, stepsMax] = [24, 24] as const
/** With fewer steps there is no trend. */
const stepsMin = 8
/** With fewer instruments there is no inequality to speak of. */
const instrumentsMin = 3
const momentMin = 0.5

export const inequalityColumns = { gini: { min: 0, max: 1 } } as const
export type InequalitySeries = DatedSeries<"gini">

const signalOf = (trend: number, momentum: number): number =>
  trend * momentum > 0 ? Math.sign(trend) * Math.sqrt(unusualness(trend) * unusualness(momentum)) : 0

const steps = (values: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.slice(1).map((value, i) => value - (values[i] as number))

/** The coefficient at the latest times at which bars opened, oldest first; empty while there are too few. */
const ginisOf = (followed: ReadonlyArray<FollowedInstrument>, asOf: number): ReadonlyArray<number> => {
  const seen = followed.map(({ bars }) =>
    visibleBars(bars, asOf, volumeBars + stepsMax).filter(({ volume }) => volume !== null)
  )
  const times = [...new Set(seen.flatMap((bars) => bars.map(({ openTime }) => openTime)))]
    .sort((a, b) => a - b)
    .slice(-(volumeBars + stepsMax))
  if (times.length < volumeBars + stepsMin) return []
  const places = new Map(times.map((time, place) => [time, place]))
  // Sums up to each time, so that a window is a difference of two.
  const sums = seen.flatMap((bars) => {
    const upTo = new Float64Array(times.length + 1)
    for (const { close, openTime, volume } of bars) {
      const place = places.get(openTime)
      if (place !== undefined) upTo[place + 1] = close * (volume as number)
    }
    for (let i = 0; i < times.length; i++) upTo[i + 1] = (upTo[i] as number) + (upTo[i + 1] as number)
    return (upTo[times.length] as number) > 0 ? [upTo] : []
  })
  const count = sums.length
  if (count < instrumentsMin) return []
  const ginis: Array<number> = []
  for (let end = volumeBars; end <= times.length; end++) {
    const amounts = Float64Array.from(sums, (upTo) =>
      Math.max(0, (upTo[end] as number) - (upTo[end - volumeBars] as number))
    )
    const gini = giniOf(amounts)
    // Rounding may lead out of the bounds by the last digit.
    if (typeof gini === "number") ginis.push(Math.min(1, Math.max(0, (gini * count) / (count - 1))))
  }
  return ginis
}

/**
 * @param outside a series from outside to take in the place of dollar volumes; a text says why one that was configured
 *   cannot be had
 */
export const inequalityAt = (
  followed: ReadonlyArray<FollowedInstrument>,
  market: MarketSeries,
  outside: InequalitySeries | string | null,
  asOf: number
): InequalityReading => {
  if (typeof outside === "string") return unavailable(outside)
  const ginis =
    outside === null
      ? ginisOf(followed, asOf)
      : rowsKnownAt(outside, 0, asOf)
          .slice(-stepsMax - 1)
          .map(({ values }) => values.gini)
  const [gini] = ginis.slice(-1)
  if (gini === undefined || ginis.length <= stepsMin) {
    return unavailable(
      outside === null
        ? `fewer than ${volumeBars + stepsMin} bars of ${instrumentsMin} instruments with volumes are known`
        : `the series of inequality has fewer than ${stepsMin + 1} dates that were known`
    )
  }
  const { returns } = observedAt(market, asOf)
  if (returns.length < stepsMin) return unavailable(`fewer than ${stepsMin} returns of the market are known`)
  const trend = selfNormalised(steps(ginis.slice(-stepsMax - 1)))
  const momentum = selfNormalised(returns.slice(-stepsMax))
  const signal = signalOf(trend, momentum)
  return {
    status: "available",
    gini,
    giniOf: outside === null ? "dollar-volume" : "series",
    trend,
    momentum,
    signal,
    moment: Math.abs(signal) < momentMin ? "none" : signal > 0 ? "rising" : "falling",
    instruments: followed.flatMap(({ bars, instrument }) => {
      const own = logReturns(visibleBars(bars, asOf, stepsMax + 1))
      if (own.length < stepsMin) return []
      const ownMomentum = selfNormalised(own)
      return [{ instrument: instrument.id, momentum: ownMomentum, signal: signalOf(trend, ownMomentum) }]
    })
  }
}
