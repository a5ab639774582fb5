/**
 * What holding a position costs between two instants: funding of perpetuals, the fee for what is borrowed to be
 * sold short, dividends. What the account pays is rounded up, what it receives down.
 *
 * A span runs from the open of one bar to the open of the next, and is charged before the fills of the latter, on
 * what is held then, at the mark of that instant: a position is charged from the bar that it was opened in, and not
 * for the part of the bar that it is closed in.
 */
import type { InstrumentKind } from "../../protocols/Instrument.ts"
import type { Charge, ChargeKind } from "./Ledger.ts"
import { type Contract, type Fraction, type Rounding, times, timesDecimals } from "./Money.ts"
import { valueOf } from "./Pricing.ts"
import type { Terms } from "./Terms.ts"

const yearMs = 365 * 86_400_000
const perYearMs: Fraction = { numerator: 1, denominator: yearMs }

const isFunded = (kind: InstrumentKind) => kind === "perp"
const isBorrowed = (kind: InstrumentKind) => kind !== "perp" && kind !== "future"

export interface Holding {
  readonly instrument: string
  readonly kind: InstrumentKind
  readonly lots: number
  readonly perTickLot: Fraction
  /** Ticks; a position without one has no value yet. */
  readonly mark: number | null
}

/** Whether there is anything to charge for at all. */
export const isCharged = ({ borrowPerYear, funding }: Terms): boolean =>
  funding.numerator !== 0 || borrowPerYear.numerator !== 0

const paysFunding = (kind: InstrumentKind, { funding }: Terms) => isFunded(kind) && funding.numerator !== 0
const paysToBorrow = (kind: InstrumentKind, lots: number, { borrowPerYear }: Terms) =>
  lots < 0 && isBorrowed(kind) && borrowPerYear.numerator !== 0

/** Whether there is anything to charge for holding so many lots. */
export const isHoldingCharged = (kind: InstrumentKind, lots: number, terms: Terms): boolean =>
  lots !== 0 && (paysFunding(kind, terms) || paysToBorrow(kind, lots, terms))

const charge = (instrument: string, kind: ChargeKind, micro: number): Charge | undefined =>
  micro === 0 ? undefined : { instrument, kind, micro }

const fundingOf = ({ instrument, lots }: Holding, value: number, instants: number, terms: Terms) => {
  const pays = terms.longsPay === lots > 0
  const micro = times(Math.abs(value), instants, terms.funding, pays ? "up" : "down")
  return charge(instrument, "funding", pays ? micro : 0 - micro)
}

/** The charge of a position over a span of time, both ends in epoch milliseconds, the latter included. */
export const chargeFor = (holding: Holding, from: number, to: number, terms: Terms): Charge | undefined => {
  const { instrument, kind, lots, mark, perTickLot } = holding
  if (lots === 0 || mark === null || !(to > from)) return undefined
  const value = valueOf(perTickLot, lots, mark)
  if (paysFunding(kind, terms)) {
    const instants = Math.floor(to / terms.fundingEveryMs) - Math.floor(from / terms.fundingEveryMs)
    return fundingOf(holding, value, instants, terms)
  }
  if (paysToBorrow(kind, lots, terms)) {
    const ofYear = times(Math.abs(value), 1, terms.borrowPerYear, "up")
    return charge(instrument, "borrow", times(ofYear, to - from, perYearMs, "up"))
  }
  return undefined
}

/**
 * What a dividend, in quote units for one base unit, brings to a long position and costs a short one. An adjusted amount
 * may have any number of digits: it is counted with all of them, and the whole is rounded.
 */
export const dividendOf = (
  { instrument, lots }: Pick<Holding, "instrument" | "lots">,
  { lot }: Pick<Contract, "lot">,
  perUnit: number
): Charge | undefined => {
  const worth = (held: number, rounding: Rounding) => timesDecimals(held, [lot, perUnit], rounding)
  const micro = lots >= 0 ? 0 - worth(lots, "down") : worth(-lots, "up")
  return charge(instrument, "dividend", micro)
}
