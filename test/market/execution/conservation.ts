/** What never changes in a ledger, summed in big integers. */
import type { Ledger } from "../../../src/market/execution/Ledger.ts"

export const moneyOf = (ledger: Ledger): bigint =>
  [
    ledger.cash,
    ledger.counterparty,
    ledger.fees,
    ledger.funding,
    ledger.borrow,
    ledger.dividends,
    ledger.shortfall
  ].reduce((sum, account) => sum + BigInt(account), 0n)

export const lotsOf = (ledger: Ledger): bigint =>
  [...ledger.positions.values()].reduce(
    (sum, { counterparty, lots }) => sum + BigInt(lots) + BigInt(counterparty),
    0n
  )
