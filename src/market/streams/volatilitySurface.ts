/** The volatility stream: realised volatility by window and horizon, and what options imply where a source says it. */
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import {
  type ImpliedVolatility,
  type RealisedVolatility,
  unavailable,
  type VolatilityReading
} from "../../protocols/Streams.ts"
import { barsPerYear } from "../performance/Annualisation.ts"
import { dayMs } from "../time/Calendar.ts"
import { type DatedSeries, rowsKnownAt } from "./DatedSeries.ts"
import { type FollowedInstrument, logReturns, visibleBars } from "./RecentBars.ts"
import {
  closeToCloseVariance,
  garmanKlassVariance,
  parkinsonVariance,
  yangZhangVariance
} from "./rangeVolatility.ts"

export const volatilityDefinition = 1

/** Returns of a window; the longest has one bar more. */
export const volatilityWindows = [16, 32, 64] as const
/** Bars that a return spans; a window has those of at most a quarter of it. */
export const volatilityHorizons = [1, 4, 16] as const
const horizonShareMax = 1 / 4

/** A quote that is older says nothing about now. */
const impliedAgeMaxMs = 7 * dayMs

/** Columns of a series of implied volatilities: shares a year, by the days that an option has left. */
export const impliedColumns = {
  tenor_days: { min: 0.01, max: 36_500 },
  implied_volatility: { min: 0, max: 100 }
} as const
export type ImpliedSeries = DatedSeries<keyof typeof impliedColumns>

/** @param bars one more than returns of the window */
const realisedOf = (bars: ReadonlyArray<Bar>, perYear: number): RealisedVolatility => {
  const returns = logReturns(bars)
  const aYear = (variance: number) => Math.sqrt(variance * perYear)
  const closeOnly = bars.some((bar) => bar.closeOnly)
  const own = bars.slice(1)
  return {
    windowBars: returns.length,
    closeToClose: volatilityHorizons
      .filter((horizonBars) => horizonBars <= returns.length * horizonShareMax)
      .map((horizonBars) => ({
        horizonBars,
        volatility: aYear(closeToCloseVariance(returns, horizonBars))
      })),
    parkinson: closeOnly ? null : aYear(parkinsonVariance(own)),
    garmanKlass: closeOnly ? null : aYear(garmanKlassVariance(own)),
    yangZhang: closeOnly ? null : aYear(yangZhangVariance(bars))
  }
}

/** The latest quotes of each tenor; the quotes of all instruments are looked through once. */
const impliedBy = (
  series: ImpliedSeries,
  asOf: number
): ReadonlyMap<string, ReadonlyArray<ImpliedVolatility>> => {
  const byInstrument = new Map<string, Map<number, ImpliedVolatility>>()
  for (const { at, label, values } of rowsKnownAt(series, asOf - impliedAgeMaxMs, asOf)) {
    const tenors = byInstrument.get(label) ?? new Map<number, ImpliedVolatility>()
    byInstrument.set(label, tenors)
    // Rows come in the order of their dates.
    tenors.set(values.tenor_days, { tenorDays: values.tenor_days, volatility: values.implied_volatility, at })
  }
  return new Map(
    [...byInstrument].map(([label, tenors]) => [
      label,
      [...tenors.values()].sort((a, b) => a.tenorDays - b.tenorDays)
    ])
  )
}

const impliedOf = (
  implied: ReadonlyMap<string, ReadonlyArray<ImpliedVolatility>> | string,
  instrument: InstrumentId
) => {
  if (typeof implied === "string") return unavailable(implied)
  const points = implied.get(instrument)
  return points === undefined
    ? unavailable("the series has no quote of the last 7 days")
    : { status: "available" as const, points }
}

/** @param implied quotes, labelled with instrument ids; or why there are none */
export const volatilityAt = (
  followed: ReadonlyArray<FollowedInstrument>,
  implied: ImpliedSeries | string,
  asOf: number
): VolatilityReading => {
  const quotes = typeof implied === "string" ? implied : impliedBy(implied, asOf)
  const [shortest] = volatilityWindows
  const instruments = followed.flatMap(({ bars, instrument }) => {
    const seen = visibleBars(bars, asOf)
    const [first] = seen
    if (first === undefined || seen.length <= shortest) return []
    const perYear = barsPerYear(first.timeFrame, instrument.calendar)
    return [
      {
        instrument: instrument.id,
        barsPerYear: perYear,
        realised: volatilityWindows
          .filter((window) => seen.length > window)
          .map((window) => realisedOf(seen.slice(-window - 1), perYear)),
        implied: impliedOf(quotes, instrument.id)
      }
    ]
  })
  return instruments.length === 0
    ? unavailable(`no instrument has the ${shortest + 1} bars of the shortest window yet`)
    : { status: "available", instruments }
}
