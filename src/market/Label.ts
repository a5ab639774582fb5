/**
 * What a question turns out to have been about: the log return from the first possible fill to the end of the
 * horizon. A bar series fills at the open of the bar after the as-of and ends at the close of the last bar of
 * the horizon; a close-only series has one price a bar, so that it fills there and its horizon begins there.
 */
import type { Side } from "../protocols/Opinion.ts"

/** Bars after the as-of that have to be there before the label is known. */
export const barsUntilMature = (horizonBars: number, closeOnly: boolean): number =>
  closeOnly ? horizonBars + 1 : horizonBars

/** Half the width of the hold zone: max(round-trip cost, 0.25 sigma). */
export const bandOf = (roundTripCost: number, sigma: number): number =>
  Math.max(roundTripCost, 0.25 * sigma, 1e-9)

/** Log return between the price of the fill and the price at the end of the horizon. */
export const labelReturn = (entry: number, exit: number): number => Math.log(exit / entry)

export const labelOf = (logReturn: number, band: number): Side =>
  logReturn > band ? "buy" : logReturn < -band ? "sell" : "hold"
