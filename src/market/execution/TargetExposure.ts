/** From an exposure to an order's size. */
import { type Contract, toQuote } from "./Money.ts"

/**
 * Lots that an exposure, a signed share of the equity, comes to at a mark, rounded towards nothing. None without
 * equity, and none of a size that is not counted.
 *
 * @param equity millionths of the quote currency
 * @param mark ticks
 */
export const lotsForExposure = (
  contract: Contract,
  exposure: number,
  equity: number,
  mark: number
): number => {
  if (!(equity > 0)) return 0
  const lots = Math.trunc((exposure * toQuote(equity)) / (mark * contract.tick * contract.lot))
  return Number.isSafeInteger(lots) ? lots : 0
}
