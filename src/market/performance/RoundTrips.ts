/**
 * Closed trades of fills, by average cost: every fill that makes a position smaller closes a trade of so many lots, which
 * have cost their share of what the whole position has; a fill through zero closes one and opens the next.
 *
 * Money is in whole micro-quote and lots are whole. What does not divide stays with what is still held, so that nothing is
 * lost: the profits of all trades less what the open positions have cost are what the account has received, to the unit.
 *
 * What can go wrong: fills in parts of lots or of money, out of time order, or a payment on nothing are thrown as
 * RangeError.
 */
import { isAmount, times } from "../execution/Money.ts"

/** A fill, by what it did to the account. */
export interface CashFill {
  readonly instrument: string
  /** Epoch milliseconds. */
  readonly at: number
  /** Positive bought, negative sold; 0 for a payment on what is held: funding, borrow, a dividend. */
  readonly lots: number
  /** Micro-quote that the account received, fees taken off; negative where it paid. */
  readonly cash: number
}

export interface RoundTrip {
  readonly instrument: string
  /** When the position began that it was a part of. */
  readonly openedAt: number
  readonly closedAt: number
  /** Positive for a long trade. */
  readonly lots: number
  /** Micro-quote that the lots have cost when they were opened, fees included; negative for a short trade. */
  readonly cost: number
  /** Micro-quote, after costs. */
  readonly profit: number
}

export interface OpenPosition {
  readonly instrument: string
  readonly openedAt: number
  readonly lots: number
  /** Micro-quote. */
  readonly cost: number
}

export interface RoundTrips {
  /** In the order in which they were closed. */
  readonly trades: ReadonlyArray<RoundTrip>
  /** In the order in which their instruments came first. */
  readonly open: ReadonlyArray<OpenPosition>
}

/** `part / whole` of an amount, towards zero; nothing of nothing. */
const shareOf = (amount: number, part: number, whole: number): number => {
  if (part === 0) return 0
  if (part === whole) return amount
  const share = times(Math.abs(amount), part, { numerator: 1, denominator: whole }, "down")
  return amount < 0 ? 0 - share : share
}

const amountOf = (what: string, value: number): number => {
  if (!isAmount(value)) throw new RangeError(`${what} of a position is ${value}, no whole number below 2^53`)
  return value
}

export const roundTripsOf = (fills: ReadonlyArray<CashFill>): RoundTrips => {
  const trades: Array<RoundTrip> = []
  const positions = new Map<string, OpenPosition>()
  let now = Number.NEGATIVE_INFINITY
  for (const { instrument, at, lots, cash } of fills) {
    if (!(at >= now)) throw new RangeError(`a fill at ${at} comes after one at ${now}`)
    now = at
    amountOf("a fill's money", cash)
    amountOf("a fill's size", lots)
    const held = positions.get(instrument) ?? { instrument, openedAt: at, lots: 0, cost: 0 }
    if (lots === 0 && held.lots === 0)
      throw new RangeError(`${instrument} is not held: nothing is paid on it`)
    const closing =
      Math.sign(lots) === -Math.sign(held.lots) ? Math.min(Math.abs(lots), Math.abs(held.lots)) : 0
    const received = shareOf(cash, closing, Math.abs(lots))
    const cost = shareOf(held.cost, closing, Math.abs(held.lots))
    if (closing > 0) {
      trades.push({
        instrument,
        openedAt: held.openedAt,
        closedAt: at,
        lots: Math.sign(held.lots) * closing,
        cost,
        profit: amountOf("the profit", received - cost)
      })
    }
    const isReversed = Math.abs(lots) > closing && closing === Math.abs(held.lots)
    positions.set(instrument, {
      instrument,
      openedAt: isReversed ? at : held.openedAt,
      lots: amountOf("the size", held.lots + lots),
      cost: amountOf("the cost", held.cost - cost - (cash - received))
    })
  }
  return { trades, open: [...positions.values()].filter(({ lots }) => lots !== 0) }
}
