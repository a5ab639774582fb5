/**
 * Orders, fills and the account of the paper broker. Quantities are integers: prices in ticks, quantities in
 * lots, money in millionths of the quote currency.
 */
import { Schema } from "effect"
import { Instrument, InstrumentId } from "./Instrument.ts"
import * as EventType from "./wire/EventType.ts"
import { EpochMs, Identifier, Reason } from "./wire/Ids.ts"

/** Millionths of the quote currency. */
export const Micro = Schema.Int.pipe(Schema.brand("Micro"))
export type Micro = typeof Micro.Type

/** Signed count of lots. */
export const Lots = Schema.Int
/** Price as a count of ticks. */
export const Ticks = Schema.Int.pipe(Schema.positive())

export const OrderId = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/))

export const Order = Schema.Struct({
  id: OrderId,
  instrument: InstrumentId,
  /** Positive buys, negative sells; of an open order what remains to be filled. */
  lots: Lots,
  /** As-of of what ordered it; it fills at a later event only. */
  asOf: EpochMs,
  /** The decision or the command behind it. */
  cause: Schema.String.pipe(Schema.maxLength(128))
})
export type Order = typeof Order.Type

export const Fill = Schema.Struct({
  order: OrderId,
  cause: Schema.String.pipe(Schema.maxLength(128)),
  instrument: InstrumentId,
  lots: Lots,
  /** With half the spread and the slippage in it. */
  priceTicks: Ticks,
  fee: Micro,
  /** Beginning of the bar it was filled at; for a close-only series its end. */
  at: EpochMs
})
export type Fill = typeof Fill.Type

export const Cancellation = Schema.Struct({ order: OrderId, reason: Reason })
export type Cancellation = typeof Cancellation.Type

/** What holding a position cost; negative what it brought. */
export const Charge = Schema.Struct({
  instrument: InstrumentId,
  kind: Schema.Literal("funding", "borrow", "dividend"),
  micro: Micro
})
export type Charge = typeof Charge.Type

/** An order that a decision came to and the account did not take. */
export const Rejection = Schema.Struct({
  instrument: InstrumentId,
  cause: Schema.String.pipe(Schema.maxLength(128)),
  reason: Reason
})
export type Rejection = typeof Rejection.Type

export const AccountOpened = EventType.make({
  type: "AccountOpened",
  version: 1,
  schema: Schema.Struct({ account: Identifier, currency: Schema.String, cash: Micro })
})

/** What can be traded, as the feed said when it opened. */
export const InstrumentsListed = EventType.make({
  type: "InstrumentsListed",
  version: 1,
  schema: Schema.Struct({ barsSequence: Schema.NonNegativeInt, instruments: Schema.Array(Instrument) })
})

interface BarsAppliedBefore {
  readonly asOf: number
  readonly marks: ReadonlyArray<object>
}

/** What the bars of one as-of did: charges before their open, fills, then marks at their close. */
export const BarsApplied = EventType.make({
  type: "BarsApplied",
  version: 2,
  schema: Schema.Struct({
    asOf: EpochMs,
    barsSequence: Schema.NonNegativeInt,
    charges: Schema.Array(Charge),
    /** Up to when holding has been charged; null before the first bars. */
    accruedTo: Schema.NullOr(EpochMs),
    fills: Schema.Array(Fill),
    cancellations: Schema.Array(Cancellation),
    /** `closedAt`: end of the bar that the price is the close of. */
    marks: Schema.Array(Schema.Struct({ instrument: InstrumentId, priceTicks: Ticks, closedAt: EpochMs })),
    /** Put in by the venue, where a liquidation left less than nothing. */
    shortfall: Micro
  }),
  upcasters: {
    1: (payload) => {
      const { asOf, marks, ...rest } = payload as BarsAppliedBefore
      const closed = marks.map((mark) => ({ ...mark, closedAt: asOf }))
      return { ...rest, asOf, charges: [], accruedTo: null, marks: closed, shortfall: 0 }
    }
  }
})

/** What the decisions of one event of their stream did: orders, and open orders that they replaced. */
export const DecisionsApplied = EventType.make({
  type: "DecisionsApplied",
  version: 2,
  schema: Schema.Struct({
    asOf: EpochMs,
    decisionsSequence: Schema.NonNegativeInt,
    orders: Schema.Array(Order),
    cancellations: Schema.Array(Cancellation),
    rejections: Schema.Array(Rejection)
  }),
  upcasters: { 1: (payload) => ({ ...(payload as object), rejections: [] }) }
})

/** The kill switch went on: pending orders are gone, and orders that flatten stand. */
export const StopLatched = EventType.make({
  type: "StopLatched",
  version: 1,
  schema: Schema.Struct({
    asOf: EpochMs,
    command: Schema.String.pipe(Schema.maxLength(128)),
    reason: Reason,
    cancellations: Schema.Array(Cancellation),
    orders: Schema.Array(Order)
  })
})

export const StopReleased = EventType.make({
  type: "StopReleased",
  version: 1,
  schema: Schema.Struct({ command: Schema.String.pipe(Schema.maxLength(128)), reason: Reason })
})

export const FeedClosed = EventType.make({
  type: "FeedClosed",
  version: 1,
  schema: Schema.Struct({ barsSequence: Schema.NonNegativeInt })
})

export const accountStream = "account"
export const accountEvents = [
  AccountOpened,
  InstrumentsListed,
  BarsApplied,
  DecisionsApplied,
  StopLatched,
  StopReleased,
  FeedClosed
] as const
export type AccountEvent = EventType.EventOf<(typeof accountEvents)[number]>

export const PositionView = Schema.Struct({
  instrument: InstrumentId,
  lots: Lots,
  /** In quote units. */
  price: Schema.Finite,
  value: Schema.Finite,
  exposure: Schema.Finite,
  /** Realised and unrealised, after costs, in quote units. */
  profit: Schema.Finite
})
export type PositionView = typeof PositionView.Type

/** The account as people read it, in quote units. */
export const AccountSnapshot = Schema.Struct({
  account: Identifier,
  currency: Schema.String,
  asOf: Schema.NullOr(EpochMs),
  barsSequence: Schema.NonNegativeInt,
  decisionsSequence: Schema.NonNegativeInt,
  startingCash: Schema.Finite,
  cash: Schema.Finite,
  equity: Schema.Finite,
  fees: Schema.Finite,
  fills: Schema.NonNegativeInt,
  /** Value bought and sold so far. */
  turnover: Schema.Finite,
  openOrders: Schema.NonNegativeInt,
  positions: Schema.Array(PositionView),
  stop: Schema.NullOr(Schema.Struct({ reason: Reason, flat: Schema.Boolean })),
  feedEnded: Schema.Boolean,
  /** Digest of the exact ledger; equal ledgers have equal digests. */
  digest: Schema.String
})
export type AccountSnapshot = typeof AccountSnapshot.Type
