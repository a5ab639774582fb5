/**
 * The paper account: a fold over what was applied to it. How far it has come in the bars and in the decisions is
 * part of it, so that what is applied and the receipt for it are one event: nothing is applied twice.
 */
import { Either, Schema } from "effect"
import * as Ledger from "../../market/execution/Ledger.ts"
import { toQuote } from "../../market/execution/Money.ts"
import { consideration, exactPerTickLot, valueOf } from "../../market/execution/Pricing.ts"
import { type AccountEvent, type AccountSnapshot, Order } from "../../protocols/Account.ts"
import { Instrument, type InstrumentId } from "../../protocols/Instrument.ts"
import { EpochMs, Identifier, Reason } from "../../protocols/wire/Ids.ts"
import { contentHash } from "../../protocols/wire/Json.ts"

/** Of what the snapshots hold: those of another version are ignored, and the stream is read from its beginning. */
export const accountStateVersion = 2

const Position = Schema.Struct({ lots: Schema.Int, counterparty: Schema.Int, paid: Schema.Int })

export const AccountState = Schema.Struct({
  account: Identifier,
  currency: Schema.String,
  startingCash: Schema.Int,
  ledger: Schema.Struct({
    cash: Schema.Int,
    counterparty: Schema.Int,
    fees: Schema.Int,
    funding: Schema.Int,
    borrow: Schema.Int,
    dividends: Schema.Int,
    shortfall: Schema.Int,
    turnover: Schema.Finite,
    positions: Schema.ReadonlyMap({ key: Schema.String, value: Position })
  }),
  listed: Schema.ReadonlyMap({ key: Schema.String, value: Instrument }),
  /** Latest closes, in ticks. */
  marks: Schema.ReadonlyMap({ key: Schema.String, value: Schema.Int }),
  /** End of the bar that each of these is of. */
  closedAt: Schema.ReadonlyMap({ key: Schema.String, value: EpochMs }),
  /** Up to when holding has been charged. */
  accruedTo: Schema.NullOr(EpochMs),
  open: Schema.Array(Order),
  stop: Schema.NullOr(Schema.Struct({ command: Schema.String, reason: Reason })),
  asOf: Schema.NullOr(EpochMs),
  barsSequence: Schema.NonNegativeInt,
  decisionsSequence: Schema.NonNegativeInt,
  fills: Schema.NonNegativeInt,
  feedEnded: Schema.Boolean,
  /** Commands carried out lately: repeated, they change nothing. */
  commands: Schema.Array(Schema.String)
})
export type AccountState = typeof AccountState.Type

/** Commands remembered. */
const commandsMax = 256

export const empty: AccountState = {
  account: "none",
  currency: "",
  startingCash: 0,
  ledger: Ledger.open(0),
  listed: new Map(),
  marks: new Map(),
  closedAt: new Map(),
  accruedTo: null,
  open: [],
  stop: null,
  asOf: null,
  barsSequence: 0,
  decisionsSequence: 0,
  fills: 0,
  feedEnded: false,
  commands: []
}

const remember = (state: AccountState, command: string) => [...state.commands, command].slice(-commandsMax)

/** What remains of open orders after fills and cancellations. */
const remaining = (
  open: AccountState["open"],
  fills: ReadonlyArray<{ readonly order: string; readonly lots: number }>,
  cancellations: ReadonlyArray<{ readonly order: string }>
): AccountState["open"] => {
  if (fills.length === 0 && cancellations.length === 0) return open
  const gone = new Set(cancellations.map(({ order }) => order))
  const filled = new Map<string, number>()
  for (const { lots, order } of fills) filled.set(order, (filled.get(order) ?? 0) + lots)
  return open.flatMap((order) => {
    const lots = order.lots - (filled.get(order.id) ?? 0)
    if (gone.has(order.id) || lots === 0) return []
    return [lots === order.lots ? order : { ...order, lots }]
  })
}

type BarsAppliedPayload = Extract<AccountEvent, { readonly type: "BarsApplied" }>["payload"]

/**
 * The ledger after charges, fills and a shortfall, in this order. Throws where it cannot hold them: the journal has
 * what the books were able to take, unless it was written by a program that counted further.
 */
const booked = (state: AccountState, { charges, fills, shortfall }: BarsAppliedPayload) => {
  const ledger = Ledger.copyOf(state.ledger)
  for (const charge of charges) Either.getOrThrowWith(Ledger.postCharge(ledger, charge), (error) => error)
  for (const { fee, instrument, lots, priceTicks } of fills) {
    const perTickLot = exactPerTickLot(state.listed.get(instrument) as Instrument)
    if (perTickLot === null) throw new RangeError(`${instrument} has steps too fine to count a fill in`)
    const paid = consideration(perTickLot, lots, priceTicks)
    Either.getOrThrowWith(Ledger.postFill(ledger, { instrument, lots, paid, fee }), (error) => error)
  }
  if (shortfall !== 0) Ledger.settleShortfall(ledger)
  return ledger
}

export const evolve = (state: AccountState, event: AccountEvent): AccountState => {
  switch (event.type) {
    case "AccountOpened": {
      const { account, cash, currency } = event.payload
      return { ...state, account, currency, startingCash: cash, ledger: Ledger.open(cash) }
    }
    case "InstrumentsListed": {
      const { barsSequence, instruments } = event.payload
      const listed = new Map(state.listed)
      for (const instrument of instruments) listed.set(instrument.id, instrument)
      return { ...state, listed, barsSequence, feedEnded: false }
    }
    case "BarsApplied": {
      const { accruedTo, asOf, barsSequence, cancellations, fills, marks } = event.payload
      const marked = new Map(state.marks)
      const closed = new Map(state.closedAt)
      for (const { closedAt, instrument, priceTicks } of marks) {
        marked.set(instrument, priceTicks)
        closed.set(instrument, closedAt)
      }
      return {
        ...state,
        ledger: booked(state, event.payload),
        marks: marked,
        closedAt: closed,
        accruedTo,
        open: remaining(state.open, fills, cancellations),
        asOf,
        barsSequence,
        fills: state.fills + fills.length
      }
    }
    case "DecisionsApplied": {
      const { cancellations, decisionsSequence, orders } = event.payload
      return { ...state, open: [...remaining(state.open, [], cancellations), ...orders], decisionsSequence }
    }
    case "StopLatched": {
      const { cancellations, command, orders, reason } = event.payload
      return {
        ...state,
        stop: { command, reason },
        open: [...remaining(state.open, [], cancellations), ...orders],
        commands: remember(state, command)
      }
    }
    case "StopReleased":
      return { ...state, stop: null, commands: remember(state, event.payload.command) }
    case "FeedClosed":
      return { ...state, feedEnded: true, barsSequence: event.payload.barsSequence }
  }
}

/** Value of a position at its latest close, in millionths. */
const valueAt = (state: AccountState, instrument: string, lots: number): number => {
  const contract = state.listed.get(instrument)
  const mark = state.marks.get(instrument)
  const perTickLot = contract === undefined ? null : exactPerTickLot(contract)
  return perTickLot === null || mark === undefined ? 0 : valueOf(perTickLot, lots, mark)
}

/** Cash and positions at their latest closes, in millionths. */
export const equityOf = (state: AccountState): number => {
  let equity = state.ledger.cash
  for (const [instrument, { lots }] of state.ledger.positions) equity += valueAt(state, instrument, lots)
  return equity
}

export const isFlat = (state: AccountState): boolean => Ledger.isFlat(state.ledger)

/** Everything that makes two ledgers the same, and nothing else: positions are by instrument, not by history. */
export const ledgerDigest = (state: AccountState): string => {
  const { positions, ...accounts } = state.ledger
  return contentHash({
    ...accounts,
    fills: state.fills,
    positions: [...positions]
      .map(([instrument, { counterparty, lots, paid }]) => [instrument, lots, counterparty, paid])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  })
}

export const snapshotOf = (state: AccountState): AccountSnapshot => {
  const equity = equityOf(state)
  const positions = [...state.ledger.positions].map(([instrument, { lots, paid }]) => {
    const value = valueAt(state, instrument, lots)
    const contract = state.listed.get(instrument)
    return {
      instrument: instrument as InstrumentId,
      lots,
      price: (state.marks.get(instrument) ?? 0) * (contract?.tick ?? 0),
      value: toQuote(value),
      exposure: equity > 0 ? value / equity : 0,
      profit: toQuote(value - paid)
    }
  })
  return {
    account: state.account,
    currency: state.currency,
    asOf: state.asOf,
    barsSequence: state.barsSequence,
    decisionsSequence: state.decisionsSequence,
    startingCash: toQuote(state.startingCash),
    cash: toQuote(state.ledger.cash),
    equity: toQuote(equity),
    fees: toQuote(state.ledger.fees),
    fills: state.fills,
    turnover: toQuote(state.ledger.turnover),
    openOrders: state.open.length,
    positions,
    stop: state.stop === null ? null : { reason: state.stop.reason, flat: isFlat(state) },
    feedEnded: state.feedEnded,
    digest: ledgerDigest(state)
  }
}
