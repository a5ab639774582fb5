/**
 * Prices in ticks and values in millionths of the quote currency. Whatever does not divide is rounded against the
 * account: prices up for a buyer and down for a seller, what is paid up, what is received down.
 */
import { type Contract, type Fraction, isAmount, microPerTickLot, times } from "./Money.ts"

export type Side = "buy" | "sell"

/** Below this many ticks a distance is an error of the division, not a distance. */
const tickErrorMax = 1e-9
/** A price this near to the grid, in ticks, is on it; beside that, the error that a division of doubles leaves. */
const gridErrorMax = 1e-6
const divisionErrorMax = 2 * Number.EPSILON

/** A whole number of ticks, against the account, never below one. */
export const roundTicks = (ticks: number, side: Side): number =>
  Math.max(side === "buy" ? Math.ceil(ticks - tickErrorMax) : Math.floor(ticks + tickErrorMax), 1)

/** A price in ticks: rounded up for a buyer, down for a seller, to the nearest for a mark; never below one. */
export const priceInTicks = (contract: Contract, price: number, side: Side | "mark"): number =>
  side === "mark" ? Math.max(Math.round(price / contract.tick), 1) : roundTicks(price / contract.tick, side)

/** A price in ticks as it is, to be compared with the whole ones of orders; fractional where it is off the grid. */
export const ticksOf = (contract: Contract, price: number): number => {
  const ticks = price / contract.tick
  const nearest = Math.round(ticks)
  return Math.abs(ticks - nearest) <= gridErrorMax + divisionErrorMax * ticks ? nearest : ticks
}

/** The first price of a bar at which an order can fill, and when that is. */
export const firstPrice = (bar: {
  readonly openTime: number
  readonly closeTime: number
  readonly open: number
  readonly close: number
  readonly closeOnly: boolean
}): { readonly price: number; readonly at: number } =>
  bar.closeOnly ? { price: bar.close, at: bar.closeTime } : { price: bar.open, at: bar.openTime }

/** What a market order fills at: the price moved against the account by a share of it, in ticks. */
export const marketTicks = (contract: Contract, price: number, impact: number, side: Side): number =>
  priceInTicks(contract, price * (side === "buy" ? 1 + impact : 1 - impact), side)

/** Money that leaves the account for lots at a price, without the fee; negative when it comes in. NaN beyond 2^53. */
export const consideration = (perTickLot: Fraction, lots: number, ticks: number): number => {
  if (!isAmount(ticks)) return Number.NaN
  return lots >= 0 ? times(ticks, lots, perTickLot, "up") : 0 - times(ticks, -lots, perTickLot, "down")
}

/** The venue's fee on money that changes hands, rounded up. NaN beyond 2^53. */
export const feeOn = (paid: number, share: Fraction): number =>
  isAmount(paid) ? times(Math.abs(paid), 1, share, "up") : Number.NaN

/**
 * Value of a position at a price: what closing it there would bring or, short, cost. A value beyond 2^53 counts as
 * the largest amount there is: a valuation enters no account, and no number that is none may come of it.
 */
export const valueOf = (perTickLot: Fraction, lots: number, ticks: number): number => {
  const value = 0 - consideration(perTickLot, -lots, ticks)
  return Number.isNaN(value) ? Math.sign(lots) * Number.MAX_SAFE_INTEGER : value
}

const known = new WeakMap<Contract, Fraction | null>()

/** As `microPerTickLot`, once for each contract; `null` where its steps have too many digits to count exactly in. */
export const exactPerTickLot = (contract: Contract): Fraction | null => {
  const before = known.get(contract)
  if (before !== undefined) return before
  const made = tryPerTickLot(contract)
  known.set(contract, made)
  return made
}

const tryPerTickLot = (contract: Contract): Fraction | null => {
  try {
    return microPerTickLot(contract)
  } catch (cause) {
    if (cause instanceof RangeError) return null
    throw cause
  }
}
