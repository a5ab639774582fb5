/**
 * The ledger: double entry in integers. Quantities are lots, prices ticks, money millionths of the quote
 * currency, and every entry has its opposite: what the account pays, the counterparty or the venue receives, so
 * that the sum of all money and of all lots never changes. Where a price does not divide, the remainder goes
 * against the account.
 */

/** A decimal as an integer times a power of ten. */
export interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

/** The exact decimal that a number is written as. */
export const decimalOf = (value: number): Decimal => {
  const [mantissa = "0", exponent = "0"] = value.toExponential().split("e")
  const [whole = "0", fraction = ""] = mantissa.split(".")
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

export interface Contract {
  /** Smallest step of the price, in quote units. */
  readonly tick: number
  /** Smallest step of the quantity, in base units. */
  readonly lot: number
}

/** Millionths per quote unit. */
const microExponent = 6
/** Basis points with six decimals, per one. */
const feeScale = 10_000_000_000n

/** Division that rounds up, for non-negative numbers. */
const divideUp = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor

/** Value of lots at a price, in millionths: rounded up when the account pays it, down when it receives it. */
export const notional = (
  contract: Contract,
  ticks: number,
  lots: number,
  rounding: "up" | "down"
): bigint => {
  const tick = decimalOf(contract.tick)
  const lot = decimalOf(contract.lot)
  const product = BigInt(ticks) * BigInt(Math.abs(lots)) * tick.digits * lot.digits
  const exponent = tick.exponent + lot.exponent + microExponent
  if (exponent >= 0) return product * 10n ** BigInt(exponent)
  const divisor = 10n ** BigInt(-exponent)
  return rounding === "up" ? divideUp(product, divisor) : product / divisor
}

/** The venue's fee on a value, rounded up. */
export const feeOn = (value: bigint, feeBps: number): bigint =>
  divideUp(value * BigInt(Math.round(feeBps * 1e6)), feeScale)

/** A price in ticks: rounded up for a buyer, down for a seller, never below one. */
export const priceInTicks = (contract: Contract, price: number, side: "buy" | "sell" | "mark"): number => {
  const ticks = price / contract.tick
  const rounded =
    side === "mark" ? Math.round(ticks) : side === "buy" ? Math.ceil(ticks - 1e-9) : Math.floor(ticks + 1e-9)
  return Math.max(rounded, 1)
}

export interface Position {
  readonly lots: number
  /** What was paid for it net of what was received, costs included: its profit is its value minus this. */
  readonly paid: bigint
}

export interface Ledger {
  readonly cash: bigint
  /** What counterparties hold of our money, and the venue in fees. */
  readonly counterparty: bigint
  readonly fees: bigint
  readonly turnover: bigint
  readonly positions: ReadonlyMap<string, Position>
}

export const open = (cash: bigint): Ledger => ({
  cash,
  counterparty: 0n,
  fees: 0n,
  turnover: 0n,
  positions: new Map()
})

export interface LedgerFill {
  readonly instrument: string
  /** Positive bought, negative sold. */
  readonly lots: number
  readonly priceTicks: number
  /** Millionths. */
  readonly fee: bigint
}

/** Money that leaves the account for a fill, without the fee; negative when it comes in. */
export const consideration = (contract: Contract, fill: Pick<LedgerFill, "lots" | "priceTicks">): bigint =>
  fill.lots >= 0
    ? notional(contract, fill.priceTicks, fill.lots, "up")
    : -notional(contract, fill.priceTicks, fill.lots, "down")

export const post = (ledger: Ledger, contract: Contract, fill: LedgerFill): Ledger => {
  const paid = consideration(contract, fill)
  const before = ledger.positions.get(fill.instrument) ?? { lots: 0, paid: 0n }
  const positions = new Map(ledger.positions)
  positions.set(fill.instrument, { lots: before.lots + fill.lots, paid: before.paid + paid + fill.fee })
  return {
    cash: ledger.cash - paid - fill.fee,
    counterparty: ledger.counterparty + paid,
    fees: ledger.fees + fill.fee,
    turnover: ledger.turnover + (paid < 0n ? -paid : paid),
    positions
  }
}

/** Value of a position at a price: what closing it there would bring (or, short, cost). */
export const valueOf = (contract: Contract, lots: number, priceTicks: number): bigint =>
  lots >= 0 ? notional(contract, priceTicks, lots, "down") : -notional(contract, priceTicks, lots, "up")

export const toQuote = (micro: bigint): number => Number(micro) / 1e6
export const toMicro = (quote: number): bigint => BigInt(Math.round(quote * 1e6))
