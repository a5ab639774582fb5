/**
 * The paper account of a run once more, from its records: the broker's own functions applied to the same bars and the
 * same decisions, at the costs as they were or at others. At the costs as they were it comes to the same ledger, which
 * whoever reports the curve checks.
 */

import type { Steps } from "../../learning/steps.ts"
import type { Costs } from "../../market/Costs.ts"
import { toMicro, toQuote } from "../../market/execution/Money.ts"
import { consideration, exactPerTickLot } from "../../market/execution/Pricing.ts"
import type { Terms } from "../../market/execution/Terms.ts"
import type { CashFill } from "../../market/performance/RoundTrips.ts"
import { type AccountEvent, Micro } from "../../protocols/Account.ts"
import type { Decision } from "../../protocols/Decision.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import {
  type AccountState,
  empty,
  equityOf,
  evolve,
  ledgerDigest,
  snapshotOf
} from "../broker/AccountState.ts"
import { applyBars, applyDecisions } from "../broker/trading.ts"
import type { AsOfRecord } from "./records.ts"

export interface Recomputed {
  /** Quote units: what the account began with, then its equity at the closes of each traded as-of. */
  readonly equity: Float64Array
  /** Sum of the positions' values as shares of the equity, signed, after each traded as-of. */
  readonly exposure: Float64Array
  readonly fills: ReadonlyArray<CashFill>
  /** Value bought and sold, in quote units. */
  readonly traded: number
  readonly fees: number
  readonly digest: string
}

/** Costs of trading and of holding, a multiple of them. */
export const scaledCosts = (costs: Costs, multiple: number): Costs => {
  const { feeBps, fundingEveryHours, halfSpreadBps, slippageBps, ...given } = costs
  const scaled = Object.fromEntries(
    Object.entries(given).map(([name, bps]) => [name, (bps as number) * multiple])
  ) as typeof given
  return {
    feeBps: feeBps * multiple,
    halfSpreadBps: halfSpreadBps * multiple,
    slippageBps: slippageBps * multiple,
    ...(fundingEveryHours === undefined ? {} : { fundingEveryHours }),
    ...scaled
  }
}

/** Only what `evolve` looks at. */
const eventOf = <Type extends AccountEvent["type"]>(
  type: Type,
  payload: Extract<AccountEvent, { readonly type: Type }>["payload"]
) => ({ type, payload }) as unknown as AccountEvent

const cashFillsOf = (
  { listed }: AccountState,
  { charges, fills, asOf }: Extract<AccountEvent, { readonly type: "BarsApplied" }>["payload"]
): ReadonlyArray<CashFill> => [
  ...charges.map(({ instrument, micro }) => ({ instrument, at: asOf, lots: 0, cash: -micro })),
  ...fills.map(({ fee, instrument, lots, priceTicks }) => {
    const perTickLot = exactPerTickLot(listed.get(instrument) as Instrument)
    if (perTickLot === null) throw new RangeError(`${instrument} was filled and cannot be counted`)
    return { instrument, at: asOf, lots, cash: -consideration(perTickLot, lots, priceTicks) - fee }
  })
]

export interface RecomputeOptions {
  readonly account: string
  readonly currency: string
  readonly startingCash: number
  readonly tradeExposureMin: number
  readonly terms: Terms
}

export function* recompute(
  records: ReadonlyArray<AsOfRecord<Pick<Decision, "id" | "key" | "strategy" | "targetExposure">>>,
  instruments: ReadonlyArray<Instrument>,
  { account, currency, startingCash, terms, tradeExposureMin }: RecomputeOptions
): Steps<Recomputed> {
  const cash = Micro.make(toMicro(startingCash))
  let state = evolve(empty, eventOf("AccountOpened", { account, currency, cash }))
  state = evolve(state, eventOf("InstrumentsListed", { barsSequence: 0, instruments }))
  const equity: Array<number> = [startingCash]
  const exposure: Array<number> = []
  const cashFills: Array<CashFill> = []
  for (const { asOf, bars, barsSequence, decisions, index, warmUp } of records) {
    yield
    const closed = { asOf, timeFrame: (bars[0] as (typeof bars)[number]).timeFrame, index, warmUp, bars }
    const applied = applyBars(state, closed, barsSequence, terms)
    cashFills.push(...cashFillsOf(state, applied))
    state = evolve(state, eventOf("BarsApplied", applied))
    if (decisions.length > 0) {
      const options = { tradeExposureMin, terms }
      const made = applyDecisions(state, decisions, asOf, barsSequence, options)
      state = evolve(state, eventOf("DecisionsApplied", made))
    }
    if (warmUp) continue
    equity.push(toQuote(equityOf(state)))
    exposure.push(snapshotOf(state).positions.reduce((sum, position) => sum + position.exposure, 0))
  }
  return {
    equity: Float64Array.from(equity),
    exposure: Float64Array.from(exposure),
    fills: cashFills,
    traded: toQuote(state.ledger.turnover),
    fees: toQuote(state.ledger.fees),
    digest: ledgerDigest(state)
  }
}
