/** An instrument of whole prices, its bars, and orders in it: what the tests of the engine trade. */
import type { Costs } from "../../../src/market/Costs.ts"
import type { Fraction } from "../../../src/market/execution/Money.ts"
import {
  closeMatching,
  fillLimits,
  fillStops,
  goesInside,
  type Market,
  type Matched,
  type MatchedBar,
  openMatching
} from "../../../src/market/execution/matching.ts"
import {
  type OrderRequest,
  orderOf,
  type WorkingOrder,
  workingOrder
} from "../../../src/market/execution/Order.ts"
import { exactPerTickLot } from "../../../src/market/execution/Pricing.ts"
import {
  type ExecutionRules,
  type Terms,
  termsOf,
  withoutLimits
} from "../../../src/market/execution/Terms.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { type Instrument, type InstrumentKind, instrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"

export const free: Costs = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }
export const timeFrame = TimeFrame.make("1h")
export const frameMs = toMs(timeFrame)

export const instrumentOf = (
  symbol: string,
  contract: Partial<Instrument> = {},
  kind: InstrumentKind = "spot"
): Instrument => ({
  id: instrumentId("sim", symbol, kind),
  venue: "sim",
  symbol,
  kind,
  tick: 1,
  lot: 1,
  currency: "USD",
  calendar: "always",
  ...contract
})

/** One tick and one lot are one quote unit. */
export const alpha = instrumentOf("ALPHA")
export const perTickLotOf = (instrument: Instrument): Fraction => exactPerTickLot(instrument) as Fraction

export const openTimeAt = (index: number): number => index * frameMs
/** The as-of of the bar at an index: its close. */
export const asOfAt = (index: number): number => (index + 1) * frameMs

export interface Prices {
  readonly open: number
  readonly high?: number
  readonly low?: number
  readonly close?: number
  readonly volume?: number | null
}

export const barOf = (
  instrument: Instrument,
  index: number,
  prices: Prices,
  changes: Partial<Bar> = {}
): Bar => {
  const { open, close = open, volume = null } = prices
  return {
    instrument: instrument.id,
    timeFrame,
    openTime: openTimeAt(index),
    closeTime: asOfAt(index),
    open,
    high: prices.high ?? Math.max(open, close),
    low: prices.low ?? Math.min(open, close),
    close,
    volume,
    closeOnly: false,
    source: "test",
    sequence: index,
    revision: 0,
    knownAt: asOfAt(index),
    ...changes
  }
}

/** The bar that comes after the as-of that `working` orders were made at. */
export const next = (prices: Prices): MatchedBar => barOf(alpha, 1, prices)

/** An order made at the close of bar 0. */
export const working = (request: OrderRequest, id = "a"): WorkingOrder =>
  workingOrder(orderOf(request, id, asOfAt(0)))

export const terms = (rules: Partial<ExecutionRules> = {}): Terms =>
  termsOf({ ...withoutLimits(free), ...rules })

export const marketOf = (changes: Partial<Market> = {}): Market => ({
  contract: alpha,
  perTickLot: perTickLotOf(alpha),
  isHalted: false,
  held: 0,
  room: Number.MAX_SAFE_INTEGER,
  ...changes
})

/** All the steps through a bar, of an account that is not liquidated on the way. */
export const match = (
  orders: ReadonlyArray<WorkingOrder>,
  bar: MatchedBar,
  market: Market,
  its: Terms
): Matched => {
  const matching = openMatching(orders, bar, market, its)
  for (const step of [fillStops, fillLimits]) if (goesInside(matching)) step(matching, matching.room)
  return closeMatching(matching)
}
