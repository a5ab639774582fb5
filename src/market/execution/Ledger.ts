/**
 * The books of one account: double entry in whole numbers. Quantities are lots, prices ticks, money millionths of
 * the quote currency, and every entry has its opposite: what the account pays, a counterparty or the venue receives.
 *
 * A ledger is plain data. A post changes it in place, so that a backtest copies nothing; a fold copies it once per
 * event (`copyOf`) and posts to the copy. Both run through the same lines.
 *
 * What can go wrong: a sum beyond 2^53. The post is then refused and nothing has changed.
 *
 * Invariants: cash + counterparty + fees + funding + borrow + dividends + shortfall never changes, to the unit; nor
 * does the sum of each position's lots and those of its counterparties, which is zero; and what all positions were
 * paid is what counterparty, fees, funding, borrow and dividends have received.
 */
import { Either } from "effect"
import { AmountTooLarge } from "./errors.ts"
import { isAmount } from "./Money.ts"

export interface Position {
  /** Positive long, negative short. */
  readonly lots: number
  /** Lots on the other side: what counterparties have of it. */
  readonly counterparty: number
  /** What was paid for it net of what was received, costs included: its profit is its value minus this. */
  readonly paid: number
}

export interface Ledger {
  readonly cash: number
  /** What counterparties hold of our money. */
  readonly counterparty: number
  /** What others have received from us, net: the venue, the other side of a perpetual, lenders, issuers. */
  readonly fees: number
  readonly funding: number
  readonly borrow: number
  readonly dividends: number
  /** Minus what the venue has put in where the account owed more than it had. */
  readonly shortfall: number
  /** Value bought and sold so far. A statistic and no account: beyond 2^53 it is rounded. */
  readonly turnover: number
  readonly positions: ReadonlyMap<string, Position>
}

/** A ledger that is posted to. */
export type OpenLedger = { -readonly [Name in Exclude<keyof Ledger, "positions">]: Ledger[Name] } & {
  readonly positions: Map<string, Position>
}

export const open = (cash: number): OpenLedger => ({
  cash,
  counterparty: 0,
  fees: 0,
  funding: 0,
  borrow: 0,
  dividends: 0,
  shortfall: 0,
  turnover: 0,
  positions: new Map()
})

export const copyOf = (ledger: Ledger): OpenLedger => ({ ...ledger, positions: new Map(ledger.positions) })

const nothing: Position = { lots: 0, counterparty: 0, paid: 0 }

export const positionOf = (ledger: Ledger, instrument: string): Position =>
  ledger.positions.get(instrument) ?? nothing

/** What a post can still move, whichever way, without passing 2^53 in an account that it touches. */
export const roomOf = (ledger: Ledger, instrument: string): number =>
  Number.MAX_SAFE_INTEGER -
  Math.max(
    Math.abs(ledger.cash),
    Math.abs(ledger.counterparty),
    ledger.fees,
    Math.abs(positionOf(ledger, instrument).paid)
  )

export interface LedgerFill {
  readonly instrument: string
  /** Positive bought, negative sold. */
  readonly lots: number
  /** Money that leaves the account for it, without the fee; negative when it comes in. */
  readonly paid: number
  readonly fee: number
}

export const postFill = (
  ledger: OpenLedger,
  { fee, instrument, lots, paid }: LedgerFill
): Either.Either<void, AmountTooLarge> => {
  const before = positionOf(ledger, instrument)
  const cash = ledger.cash - paid - fee
  const counterparty = ledger.counterparty + paid
  const fees = ledger.fees + fee
  const held = before.lots + lots
  const paidInAll = before.paid + paid + fee
  if (!(isAmount(cash) && isAmount(counterparty) && isAmount(fees) && isAmount(held) && isAmount(paidInAll)))
    return Either.left(new AmountTooLarge({ entry: "fill", instrument }))
  ledger.cash = cash
  ledger.counterparty = counterparty
  ledger.fees = fees
  ledger.turnover += Math.abs(paid)
  const position = { lots: held, counterparty: before.counterparty - lots, paid: paidInAll }
  ledger.positions.set(instrument, position)
  return Either.void
}

export const chargeKinds = ["funding", "borrow", "dividend"] as const
export type ChargeKind = (typeof chargeKinds)[number]

/** What holding a position costs or brings. */
export interface Charge {
  readonly instrument: string
  readonly kind: ChargeKind
  /** The account pays it; negative when it receives. */
  readonly micro: number
}

const receivers = { funding: "funding", borrow: "borrow", dividend: "dividends" } as const

export const postCharge = (
  ledger: OpenLedger,
  { instrument, kind, micro }: Charge
): Either.Either<void, AmountTooLarge> => {
  const before = positionOf(ledger, instrument)
  const receiver = receivers[kind]
  const cash = ledger.cash - micro
  const received = ledger[receiver] + micro
  const paid = before.paid + micro
  if (!(isAmount(cash) && isAmount(received) && isAmount(paid)))
    return Either.left(new AmountTooLarge({ entry: kind, instrument }))
  ledger.cash = cash
  ledger[receiver] = received
  ledger.positions.set(instrument, { ...before, paid })
  return Either.void
}

export const isFlat = (ledger: Ledger): boolean => {
  for (const { lots } of ledger.positions.values()) if (lots !== 0) return false
  return true
}

/** The venue puts in what an account without positions owes beyond what it has. Gives how much that was. */
export const settleShortfall = (ledger: OpenLedger): number => {
  if (ledger.cash >= 0 || !isFlat(ledger)) return 0
  const owed = -ledger.cash
  ledger.shortfall -= owed
  ledger.cash = 0
  return owed
}
