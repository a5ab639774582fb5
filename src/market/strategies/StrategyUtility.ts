/**
 * What a position turns out to have been worth once its horizon is over, and which profile was the best:
 *
 *   u(p) = p r - |p| cost - (riskAversion / 2) p^2 sigma^2
 *
 * mean and variance (Markowitz, 1952) after costs, with r the horizon's log return and sigma its deviation known at the
 * as-of.
 *
 * Invariant: among equal utilities the first profile is the best, so that no position is called better than none unless
 * it is.
 */

export interface Horizon {
  /** Log return from the first possible fill to the end. */
  readonly logReturn: number
  /** Deviation of that return, as it was known at the as-of. */
  readonly sigma: number
  /** Of going in and out again, a share of the notional. */
  readonly roundTripCost: number
}

export const riskAversionDefault = 3

export const utilityOf = (
  position: number,
  { logReturn, roundTripCost, sigma }: Horizon,
  riskAversion = riskAversionDefault
): number =>
  position * logReturn - Math.abs(position) * roundTripCost - (riskAversion / 2) * (position * sigma) ** 2

/** The index of the position of the highest utility, among equals the first. */
export const bestPosition = (
  positions: ReadonlyArray<number>,
  horizon: Horizon,
  riskAversion = riskAversionDefault
): number => {
  let best = 0
  let most = Number.NEGATIVE_INFINITY
  positions.forEach((position, i) => {
    const utility = utilityOf(position, horizon, riskAversion)
    if (utility > most) {
      best = i
      most = utility
    }
  })
  return best
}
