import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  AccountState,
  empty,
  equityOf,
  evolve,
  isFlat,
  ledgerDigest,
  snapshotOf
} from "../../../src/agents/broker/AccountState.ts"
import { microPerTickLot } from "../../../src/market/execution/Money.ts"
import { valueOf } from "../../../src/market/execution/Pricing.ts"
import { AccountSnapshot } from "../../../src/protocols/Account.ts"
import type { Strategy } from "../../../src/protocols/Decision.ts"
import { barOf, instrumentOf } from "../feedEvents.ts"
import {
  alpha,
  bars,
  beta,
  costs,
  decisionOn,
  decisions,
  eventOf,
  lotsOf,
  openAccount,
  release,
  startingCash,
  stop
} from "./account.ts"

const odd = instrumentOf("ODD", { tick: 0.000_3, lot: 0.7 })
const instruments = [alpha, beta, odd] as const
const strategies: ReadonlyArray<Strategy> = [
  "directional",
  "directional",
  "keep",
  "exit",
  "stand-aside",
  "degraded",
  "flatten"
]

type Step =
  | { readonly kind: "bars"; readonly moves: ReadonlyArray<number>; readonly silent: boolean }
  | { readonly kind: "decisions"; readonly targets: ReadonlyArray<number>; readonly strategy: number }
  | { readonly kind: "stop" }
  | { readonly kind: "release" }

const percent = fc.integer({ min: -2_000, max: 2_000 }).map((basisPoints) => basisPoints / 1e4)
const ofEach = fc.tuple(percent, percent, percent)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("bars" as const), moves: ofEach, silent: fc.boolean() })
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("decisions" as const),
      targets: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: -15, max: 15 }).map((tenth) => tenth / 10))),
      strategy: fc.nat(strategies.length - 1)
    })
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("release" as const) }) }
)

/** Drives an account through steps, showing it after each. */
const drive = (steps: ReadonlyArray<Step>, see: (state: AccountState, before: AccountState) => void) => {
  let state = openAccount(instruments)
  let prices: ReadonlyArray<number> = [100, 5_000, 0.9]
  steps.forEach((one, index) => {
    const before = state
    switch (one.kind) {
      case "bars": {
        const opens = prices
        prices = prices.map((price, i) => Math.max(price * (1 + (one.moves[i] as number)), 0.01))
        const some = instruments.map((instrument, i) =>
          barOf(instrument, index, {
            open: opens[i] as number,
            close: prices[i] as number,
            volume: one.silent && i === 0 ? 0 : 10
          })
        )
        state = bars(state, some).state
        break
      }
      case "decisions": {
        const strategy = strategies[one.strategy] as Strategy
        const some = instruments.map((instrument, i) =>
          decisionOn(instrument, index, one.targets[i] as number, strategy)
        )
        state = decisions(state, some).state
        break
      }
      case "stop":
        state = stop(state, `stop-${index}`).state
        break
      case "release":
        state = release(state, `release-${index}`)
    }
    see(state, before)
  })
  return state
}

const sessions = fc.array(step, { maxLength: 60, size: "max" })

describe("the account", () => {
  it("conserves money and lots exactly, whatever is decided, filled, stopped and released", () => {
    let fills = 0
    fc.assert(
      fc.property(sessions, (steps) => {
        const end = drive(steps, (state) => {
          const { cash, counterparty, fees, positions } = state.ledger
          expect(cash + counterparty + fees).toBe(startingCash)
          const paid = [...positions.values()].reduce((sum, position) => sum + position.paid, 0)
          expect(startingCash - cash).toBe(paid)
          let equity = cash
          for (const instrument of instruments) {
            const mark = state.marks.get(instrument.id)
            const lots = lotsOf(state, instrument)
            expect(Number.isSafeInteger(lots)).toBe(true)
            if (mark !== undefined) equity += valueOf(microPerTickLot(instrument), lots, mark)
          }
          expect(equityOf(state)).toBe(equity)
        })
        fills += end.fills
      })
    )
    expect(fills).toBeGreaterThan(200)
  })

  it("never has two open orders of one instrument, and takes no order while it is stopped", () => {
    fc.assert(
      fc.property(sessions, (steps) => {
        drive(steps, (state, before) => {
          const open = state.open.map(({ instrument }) => instrument)
          expect(new Set(open).size).toBe(open.length)
          if (state.stop !== null) {
            for (const order of state.open) {
              expect(order.lots).toBe(-(before.ledger.positions.get(order.instrument)?.lots ?? 0))
            }
          }
        })
      })
    )
  })

  it("loses by trading alone: without a move of the price the equity never rises", () => {
    fc.assert(
      fc.property(sessions, (steps) => {
        const still = steps.map((one) => (one.kind === "bars" ? { ...one, moves: [0, 0, 0] } : one))
        drive(still, (state, before) => expect(equityOf(state) <= equityOf(before)).toBe(true))
      })
    )
  })

  it("goes on from a snapshot as if it had never been written", () => {
    const json = Schema.parseJson(AccountState)
    const roundTrip = (state: AccountState) => Schema.decodeSync(json)(Schema.encodeSync(json)(state))
    fc.assert(
      fc.property(sessions, (steps) => {
        const end = drive(steps, () => undefined)
        expect(roundTrip(end)).toEqual(end)
        expect(ledgerDigest(roundTrip(end))).toBe(ledgerDigest(end))
        expect(Schema.is(AccountSnapshot)(snapshotOf(end))).toBe(true)
      }),
      { numRuns: 40 }
    )
  })
})

describe("the account's events", () => {
  const invested = () => {
    const marked = bars(openAccount(), [barOf(alpha, 0, { open: 100, close: 100 })]).state
    return bars(decisions(marked, [decisionOn(alpha, 0, 0.5)]).state, [
      barOf(alpha, 1, { open: 100, close: 110 })
    ]).state
  }

  it("open it with its cash, and list what can be traded", () => {
    const state = openAccount()
    expect(state).toMatchObject({ account: "paper", currency: "USD", startingCash, barsSequence: 1 })
    expect([...state.listed.keys()]).toEqual([alpha.id, beta.id])
    expect(equityOf(state)).toBe(startingCash)
    expect(isFlat(state)).toBe(true)
  })

  it("move it along the bars and the decisions, which is the receipt for both", () => {
    const state = invested()
    expect(state).toMatchObject({ barsSequence: 3, decisionsSequence: 1, fills: 1, open: [] })
    expect(state.marks.get(alpha.id)).toBe(11_000)
  })

  it("remember the latest commands, and only so many", () => {
    let state = openAccount()
    for (let i = 0; i < 300; i++) state = stop(state, `command-${i}`).state
    expect(state.commands.length).toBe(256)
    expect(state.commands.at(-1)).toBe("command-299")
    expect(state.commands).not.toContain("command-0")
  })

  it("say when the feed has ended, and that a new one has begun", () => {
    const over = evolve(openAccount(), eventOf("FeedClosed", { barsSequence: 9 }))
    expect(over).toMatchObject({ feedEnded: true, barsSequence: 9 })
    const listed = eventOf("InstrumentsListed", { barsSequence: 10, instruments: [alpha] })
    expect(evolve(over, listed)).toMatchObject({ feedEnded: false, barsSequence: 10 })
  })

  it("are read as people read an account: position, exposure and profit in quote units", () => {
    const state = invested()
    const { positions, ...account } = snapshotOf(state)
    const [position] = positions
    const equity = equityOf(state) / 1e6
    expect(account).toMatchObject({ equity, fills: 1, openOrders: 0, stop: null, startingCash: 100_000 })
    expect(position).toMatchObject({ instrument: alpha.id, price: 110, lots: lotsOf(state, alpha) })
    expect(position?.value).toBeCloseTo(55_000, 0)
    expect(position?.exposure).toBeCloseTo((position?.value ?? 0) / equity, 9)
    // A tenth of half the cash, less what going in cost.
    expect(position?.profit).toBeCloseTo(5_000 - 50_000 * (costs.feeBps + 2) * 1e-4, 0)
    expect(account.equity).toBeCloseTo(100_000 + (position?.profit ?? 0), 6)
  })

  it("show a stop as flat only when nothing is held any more", () => {
    const stopped = stop(invested(), "stop-0001").state
    expect(snapshotOf(stopped).stop).toEqual({ reason: "enough is enough", flat: false })
    const flat = bars(stopped, [barOf(alpha, 2, { open: 100, close: 100 })]).state
    expect(snapshotOf(flat).stop).toEqual({ reason: "enough is enough", flat: true })
  })

  it("give ledgers one digest when they are equal and others when they are not", () => {
    expect(ledgerDigest(invested())).toBe(ledgerDigest(invested()))
    expect(ledgerDigest(invested())).not.toBe(ledgerDigest(openAccount()))
    const { ledger, ...rest } = invested()
    const moved = {
      ...rest,
      ledger: { ...ledger, cash: ledger.cash + 1, counterparty: ledger.counterparty - 1 }
    }
    expect(ledgerDigest(moved)).not.toBe(ledgerDigest(invested()))
    expect(ledgerDigest(empty)).toMatch(/^[0-9a-f]{64}$/)
  })
})
