/**
 * The paper account: a fold over what was applied to it. How far it has come in the bars and in the decisions is
 * part of it, so that what is applied and the receipt for it are one event: nothing is applied twice.
 */
import { Schema } from "effect"
import * as Ledger from "../../market/Ledger.ts"
import { type AccountEvent, type AccountSnapshot, Order } from "../../protocols/Account.ts"
import { Instrument, type InstrumentId } from "../../protocols/Instrument.ts"
import { EpochMs, Identifier, Reason } from "../../protocols/wire/Ids.ts"
import { contentHash } from "../../protocols/wire/Json.ts"

const Position = Schema.Struct({ lots: Schema.Int, paid: Schema.BigInt })

export const AccountState = Schema.Struct({
  account: Identifier,
  currency: Schema.String,
  startingCash: Schema.BigInt,
  ledger: Schema.Struct({
    cash: Schema.BigInt,
    counterparty: Schema.BigInt,
    fees: Schema.BigInt,
    turnover: Schema.BigInt,
    positions: Schema.ReadonlyMap({ key: Schema.String, value: Position })
  }),
  listed: Schema.ReadonlyMap({ key: Schema.String, value: Instrument }),
  /** Latest closes, in ticks. */
  marks: Schema.ReadonlyMap({ key: Schema.String, value: Schema.Int }),
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
  startingCash: 0n,
  ledger: Ledger.open(0n),
  listed: new Map(),
  marks: new Map(),
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

const without = (
  open: AccountState["open"],
  gone: ReadonlyArray<{ readonly order: string }>
): AccountState["open"] => {
  if (gone.length === 0) return open
  const ids = new Set(gone.map(({ order }) => order))
  return open.filter(({ id }) => !ids.has(id))
}

export const evolve = (state: AccountState, event: AccountEvent): AccountState => {
  switch (event.type) {
    case "AccountOpened": {
      const { account, cash, currency } = event.payload
      return { ...state, account, currency, startingCash: BigInt(cash), ledger: Ledger.open(BigInt(cash)) }
    }
    case "InstrumentsListed": {
      const { barsSequence, instruments } = event.payload
      const listed = new Map(state.listed)
      for (const instrument of instruments) listed.set(instrument.id, instrument)
      return { ...state, listed, barsSequence, feedEnded: false }
    }
    case "BarsApplied": {
      const { asOf, barsSequence, cancellations, fills, marks } = event.payload
      let { ledger } = state
      for (const fill of fills) {
        const contract = state.listed.get(fill.instrument) as Instrument
        ledger = Ledger.post(ledger, contract, { ...fill, fee: BigInt(fill.fee) })
      }
      const marked = new Map(state.marks)
      for (const { instrument, priceTicks } of marks) marked.set(instrument, priceTicks)
      return {
        ...state,
        ledger,
        marks: marked,
        open: without(state.open, [...fills, ...cancellations]),
        asOf,
        barsSequence,
        fills: state.fills + fills.length
      }
    }
    case "DecisionsApplied": {
      const { cancellations, decisionsSequence, orders } = event.payload
      return { ...state, open: [...without(state.open, cancellations), ...orders], decisionsSequence }
    }
    case "StopLatched": {
      const { cancellations, command, orders, reason } = event.payload
      return {
        ...state,
        stop: { command, reason },
        open: [...without(state.open, cancellations), ...orders],
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
const valueOf = (state: AccountState, instrument: string, lots: number): bigint => {
  const contract = state.listed.get(instrument)
  const mark = state.marks.get(instrument)
  return contract === undefined || mark === undefined ? 0n : Ledger.valueOf(contract, lots, mark)
}

/** Cash and positions at their latest closes, in millionths. */
export const equityOf = (state: AccountState): bigint => {
  let equity = state.ledger.cash
  for (const [instrument, { lots }] of state.ledger.positions) equity += valueOf(state, instrument, lots)
  return equity
}

export const isFlat = (state: AccountState): boolean =>
  [...state.ledger.positions.values()].every(({ lots }) => lots === 0)

/** Everything that makes two ledgers the same, and nothing else: positions are by instrument, not by history. */
export const ledgerDigest = (state: AccountState): string => {
  const { cash, counterparty, fees, positions, turnover } = state.ledger
  return contentHash({
    cash: String(cash),
    counterparty: String(counterparty),
    fees: String(fees),
    turnover: String(turnover),
    fills: state.fills,
    positions: [...positions]
      .map(([instrument, { lots, paid }]) => [instrument, lots, String(paid)])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  })
}

export const snapshotOf = (state: AccountState): AccountSnapshot => {
  const equity = equityOf(state)
  const positions = [...state.ledger.positions].map(([instrument, { lots, paid }]) => {
    const value = valueOf(state, instrument, lots)
    const contract = state.listed.get(instrument)
    return {
      instrument: instrument as InstrumentId,
      lots,
      price: (state.marks.get(instrument) ?? 0) * (contract?.tick ?? 0),
      value: Ledger.toQuote(value),
      exposure: equity > 0n ? Number(value) / Number(equity) : 0,
      profit: Ledger.toQuote(value - paid)
    }
  })
  return {
    account: state.account,
    currency: state.currency,
    asOf: state.asOf,
    barsSequence: state.barsSequence,
    decisionsSequence: state.decisionsSequence,
    startingCash: Ledger.toQuote(state.startingCash),
    cash: Ledger.toQuote(state.ledger.cash),
    equity: Ledger.toQuote(equity),
    fees: Ledger.toQuote(state.ledger.fees),
    fills: state.fills,
    turnover: Ledger.toQuote(state.ledger.turnover),
    openOrders: state.open.length,
    positions,
    stop: state.stop === null ? null : { reason: state.stop.reason, flat: isFlat(state) },
    feedEnded: state.feedEnded,
    digest: ledgerDigest(state)
  }
}
