/** From an exposure to an order's size, and how large an exposure an account can take. */
import { oneWay } from "../Costs.ts"
import { type Contract, toQuote } from "./Money.ts"
import type { ExecutionRules } from "./Terms.ts"

/** Share of the equity that an account can be in with, up to all: of what it may carry, it pays itself what it costs to get in. */
export const carriedExposure = ({ costs, leverageMax }: ExecutionRules): number =>
  leverageMax === null ? 1 : Math.max(0, Math.min(1, leverageMax * (1 - 2 * oneWay(costs))))

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
