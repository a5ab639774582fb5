import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import * as Account from "../../../src/market/execution/Account.ts"
import { place } from "../../../src/market/execution/acceptance.ts"
import {
  type Bracket,
  market,
  type OrderRequest,
  orderOf,
  type TimeInForce
} from "../../../src/market/execution/Order.ts"
import { type ExecutionRules, termsOf } from "../../../src/market/execution/Terms.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { lotsOf, moneyOf } from "./conservation.ts"
import { asOfAt, barOf, free, instrumentOf } from "./market.ts"

const instruments: ReadonlyArray<Instrument> = [
  instrumentOf("ODD", { tick: 0.0003, lot: 0.7 }),
  instrumentOf("BTC", { tick: 0.1, lot: 0.001 }, "perp"),
  instrumentOf("SHARE", { tick: 0.01, lot: 1 }, "equity"),
  instrumentOf("FILE", { tick: 1e-6, lot: 1e-6 })
]
const firstPrices: ReadonlyArray<number> = [0.9, 40_000, 120, 300]

/** A decimal as digits and an exponent, apart from the program's own way of reading one. */
const decimal = (value: number): readonly [bigint, number] => {
  const [digits = "0", exponent = "0"] = value.toExponential(9).split("e")
  return [BigInt(digits.replace(".", "")), Number(exponent) - 9]
}

/** |lots| at a price in millionths, in big integers throughout. */
const notional = ({ lot, tick }: Instrument, lots: number, ticks: number, roundsUp: boolean): bigint => {
  const [tickDigits, tickExponent] = decimal(tick)
  const [lotDigits, lotExponent] = decimal(lot)
  const product = BigInt(Math.abs(lots)) * BigInt(ticks) * tickDigits * lotDigits
  const divisor = 10n ** BigInt(-(tickExponent + lotExponent + 6))
  return roundsUp ? (product + divisor - 1n) / divisor : product / divisor
}
const paidFor = (instrument: Instrument, lots: number, ticks: number): bigint =>
  lots > 0 ? notional(instrument, lots, ticks, true) : -notional(instrument, lots, ticks, false)
const feeOn = (paid: bigint, feeBps: number): bigint => {
  const product = (paid < 0n ? -paid : paid) * BigInt(Math.round(feeBps * 1e6))
  return (product + 10n ** 10n - 1n) / 10n ** 10n
}

const move = fc.integer({ min: -1_500, max: 1_600 }).map((basisPoints) => basisPoints / 1e4)
const anyBar = fc.record({
  open: move,
  close: move,
  up: fc.nat(600).map((basisPoints) => basisPoints / 1e4),
  down: fc.nat(600).map((basisPoints) => basisPoints / 1e4),
  volume: fc.constantFrom(null, null, 0, 5_000, 1_000_000),
  kind: fc.constantFrom("whole", "whole", "whole", "whole", "close-only", "missing")
})

const anyOrder = fc.record({
  instrument: fc.nat(instruments.length - 1),
  kind: fc.constantFrom("market", "limit", "stop"),
  /** Share of what the starting cash buys. */
  size: fc.integer({ min: -900, max: 900 }).map((percent) => percent / 100),
  /** From the mark. */
  distance: fc.integer({ min: -500, max: 500 }).map((basisPoints) => basisPoints / 1e4),
  force: fc.constantFrom(
    ...Array<"good-till-cancelled">(4).fill("good-till-cancelled"),
    "immediate-or-cancel",
    1,
    2.5,
    6
  ),
  reduceOnly: fc.constantFrom(false, false, false, true),
  bracket: fc.constantFrom("none", "none", "both", "stop-loss", "take-profit"),
  width: fc.integer({ min: 0, max: 400 }).map((basisPoints) => basisPoints / 1e4)
})

const anyEvent = fc.record({
  bars: fc.tuple(anyBar, anyBar, anyBar, anyBar),
  orders: fc.array(anyOrder, { minLength: 1, maxLength: 4 }),
  cancels: fc.constantFrom(false, false, false, true),
  halts: fc.option(fc.nat(instruments.length - 1), { freq: 12 }),
  dividend: fc.option(fc.constantFrom(0.01, 1.7), { freq: 10 })
})

const anyRules: fc.Arbitrary<ExecutionRules> = fc.record({
  costs: fc.record({
    feeBps: fc.constantFrom(0, 5, 12.345_678),
    halfSpreadBps: fc.constantFrom(0, 1),
    slippageBps: fc.constantFrom(0, 3),
    makerFeeBps: fc.constantFrom(0, 2),
    fundingBps: fc.constantFrom(-20, 0, 7.5),
    fundingEveryHours: fc.constantFrom(1, 8),
    borrowBpsPerYear: fc.constantFrom(0, 2_500)
  }),
  leverageMax: fc.constantFrom(null, 1, 20),
  shorting: fc.constantFrom(true, true, false),
  maintenanceMargin: fc.constantFrom(null, 0.05, 0.3),
  participationMax: fc.constantFrom(null, null, 0.001),
  latencyMs: fc.constantFrom(0, 1_000)
})

type AnyOrder = typeof anyOrder extends fc.Arbitrary<infer A> ? A : never
type AnyBar = typeof anyBar extends fc.Arbitrary<infer A> ? A : never

const startingCash = 100_000_000_000

const requestOf = (account: Account.Account, one: AnyOrder, asOf: number): OrderRequest => {
  const instrument = instruments[one.instrument] as Instrument
  const mark = account.listings.get(instrument.id)?.mark ?? 1
  const lots = Math.round((one.size * 100_000) / (mark * instrument.tick * instrument.lot))
  const ticks = one.kind === "market" ? null : Math.round(mark * (1 + one.distance))
  const from = ticks ?? mark
  const child = (share: number) => Math.round(from * (1 + Math.sign(lots) * share))
  const bracket: Bracket | null =
    one.bracket === "none"
      ? null
      : {
          stopLossTicks: one.bracket === "take-profit" ? null : child(-one.width),
          takeProfitTicks: one.bracket === "stop-loss" ? null : child(one.width)
        }
  const timeInForce: TimeInForce =
    typeof one.force === "number" ? { expiresAt: asOf + one.force * 3_600_000 } : (one.force as TimeInForce)
  const kind = one.kind as OrderRequest["kind"]
  return { instrument: instrument.id, kind, lots, ticks, timeInForce, reduceOnly: one.reduceOnly, bracket }
}

const barsOf = (index: number, bars: ReadonlyArray<AnyBar>, prices: Array<number>) =>
  bars.flatMap(({ close, down, kind, open, up, volume }, i) => {
    const instrument = instruments[i] as Instrument
    const opening = Math.max((prices[i] as number) * (1 + open), instrument.tick * 10)
    const closing = Math.max(opening * (1 + close), instrument.tick * 10)
    prices[i] = closing
    if (kind === "missing") return []
    const high = Math.max(opening, closing) * (1 + up)
    const low = Math.min(opening, closing) * (1 - down)
    return kind === "close-only"
      ? [barOf(instrument, index, { open: closing }, { closeOnly: true })]
      : [barOf(instrument, index, { open: opening, high, low, close: closing, volume })]
  })

const withoutIds = ({ ids: _, ...rest }: Account.Account) => rest

const largest = BigInt(Number.MAX_SAFE_INTEGER)

describe("an account, whatever is ordered and whatever the bars do", () => {
  it("conserves money and lots to the unit, is worth its cash and positions, and fills no order beyond its size", () => {
    const seen = {
      fills: 0,
      rejections: 0,
      charges: 0,
      liquidations: 0,
      shortfalls: 0,
      children: 0,
      cancellations: 0
    }
    const body = (
      rules: ExecutionRules,
      events: ReadonlyArray<typeof anyEvent extends fc.Arbitrary<infer A> ? A : never>
    ) => {
      const account = Account.open(startingCash, termsOf(rules))
      for (const instrument of instruments) Account.list(account, instrument)
      const byId = new Map(instruments.map((instrument) => [instrument.id as string, instrument]))
      const prices = [...firstPrices]
      /** What an order may fill and cancel together; a child's is what its order has filled. */
      const sizes = new Map<string, number>()
      const used = new Map<string, number>()
      const held = new Map<string, number>()
      let cash = BigInt(startingCash)
      const use = (order: string, lots: number) => {
        expect(lots).not.toBe(0)
        expect(Math.sign(lots)).toBe(Math.sign(sizes.get(order) ?? lots))
        used.set(order, (used.get(order) ?? 0) + lots)
      }
      events.forEach(({ bars, cancels, dividend, halts, orders }, index) => {
        for (const [i, { id }] of instruments.entries()) Account.halt(account, id, halts === i)
        const dividends =
          dividend === null ? [] : [{ instrument: instruments[2]?.id as string, perUnit: dividend }]
        const report = Account.applyBars(account, {
          asOf: asOfAt(index),
          bars: barsOf(index, bars, prices),
          dividends
        })
        for (const { fee, instrument, lots, order, paid, ticks } of report.fills) {
          const contract = byId.get(instrument) as Instrument
          expect(BigInt(paid)).toBe(paidFor(contract, lots, ticks))
          const { feeBps, makerFeeBps } = rules.costs
          expect([feeOn(BigInt(paid), feeBps), feeOn(BigInt(paid), makerFeeBps ?? feeBps)]).toContain(
            BigInt(fee)
          )
          cash -= BigInt(paid) + BigInt(fee)
          held.set(instrument, (held.get(instrument) ?? 0) + lots)
          if (order.startsWith("liquidation")) {
            seen.liquidations++
            continue
          }
          for (const child of [`${order}/stop-loss`, `${order}/take-profit`])
            sizes.set(child, (sizes.get(child) ?? 0) - lots)
          use(order, lots)
          seen.fills++
          if (order.includes("/")) seen.children++
        }
        for (const { lots, order } of report.cancellations) use(order, lots)
        for (const { micro } of report.charges) cash -= BigInt(micro)
        cash += BigInt(report.shortfall)
        seen.charges += report.charges.length
        seen.cancellations += report.cancellations.length
        if (report.shortfall > 0) seen.shortfalls++
        if (cancels) {
          const [first] = [...account.listings.values()].flatMap((listing) => listing.orders)
          const cancelled = first === undefined ? undefined : Account.cancel(account, first.id, "the test")
          if (cancelled !== undefined) use(cancelled.order, cancelled.lots)
        }
        orders.forEach((one, i) => {
          const order = orderOf(requestOf(account, one, asOfAt(index)), `${index}.${i}`, asOfAt(index))
          const before = structuredClone(withoutIds(account))
          if (Either.isRight(place(account, order))) sizes.set(order.id, order.lots)
          else {
            expect(withoutIds(account)).toEqual(before)
            seen.rejections++
          }
        })

        const { ledger, listings } = account
        expect(moneyOf(ledger)).toBe(BigInt(startingCash))
        expect(lotsOf(ledger)).toBe(0n)
        expect(BigInt(ledger.cash)).toBe(cash)
        let equity = cash
        let isCounted = true
        for (const [instrument, { lots }] of ledger.positions) {
          expect(lots).toBe(held.get(instrument) ?? 0)
          const contract = byId.get(instrument) as Instrument
          const value = -paidFor(contract, -lots, listings.get(instrument)?.mark ?? 0)
          // A value beyond what is counted is shown as the largest that is.
          if (value > largest || value < -largest) isCounted = false
          equity += value
        }
        if (isCounted) expect(BigInt(Account.equityOf(account))).toBe(equity)
        else expect(Number.isFinite(Account.equityOf(account))).toBe(true)
        if (
          rules.maintenanceMargin !== null &&
          [...ledger.positions.values()].every(({ lots }) => lots === 0)
        )
          expect(ledger.cash).toBeGreaterThanOrEqual(0)
      })
      const open = new Map(
        [...account.listings.values()].flatMap((listing) => listing.orders).map(({ id, lots }) => [id, lots])
      )
      for (const [order, size] of sizes) {
        const rest = open.get(order) ?? 0
        const done = (used.get(order) ?? 0) + rest
        // An order is filled, cancelled or open, to the lot; of children only those that a bracket asked for exist.
        if (order.includes("/")) expect([0, size]).toContain(done)
        else expect(done).toBe(size)
      }
    }
    fc.assert(fc.property(anyRules, fc.array(anyEvent, { minLength: 15, maxLength: 25 }), body), {
      numRuns: 60
    })
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10)
    expect(seen.fills).toBeGreaterThan(200)
  })

  it("comes to the same twice", () => {
    fc.assert(
      fc.property(anyRules, fc.array(anyEvent, { minLength: 5, maxLength: 20 }), (rules, events) => {
        const run = () => {
          const account = Account.open(startingCash, termsOf(rules))
          for (const instrument of instruments) Account.list(account, instrument)
          const prices = [...firstPrices]
          const reports = events.map(({ bars, orders }, index) => {
            const report = Account.applyBars(account, {
              asOf: asOfAt(index),
              bars: barsOf(index, bars, prices)
            })
            const placed = orders.map((one, i) =>
              place(account, orderOf(requestOf(account, one, asOfAt(index)), `${index}.${i}`, asOfAt(index)))
            )
            return [report, placed.map((result) => Either.merge(result))]
          })
          return JSON.stringify([reports, account.ledger, [...account.ledger.positions]])
        }
        expect(run()).toBe(run())
      }),
      { numRuns: 30 }
    )
  })
})

describe("market orders", () => {
  it("come to the cash that a plain recomputation in big integers comes to", () => {
    let fills = 0
    const step = fc.record({
      bars: fc.tuple(anyBar, anyBar, anyBar, anyBar),
      sizes: fc.tuple(...firstPrices.map(() => fc.integer({ min: -50, max: 50 })))
    })
    const costsOf = fc.record({
      feeBps: fc.integer({ min: 0, max: 100_000_000 }).map((n) => n / 1e6),
      halfSpreadBps: fc.constantFrom(0, 1, 2.5),
      slippageBps: fc.constantFrom(0, 3)
    })
    fc.assert(
      fc.property(costsOf, fc.array(step, { minLength: 5, maxLength: 40, size: "max" }), (costs, steps) => {
        const account = Account.open(
          startingCash,
          termsOf({
            costs,
            leverageMax: null,
            shorting: true,
            maintenanceMargin: null,
            participationMax: null,
            latencyMs: 0
          })
        )
        for (const instrument of instruments) Account.list(account, instrument)
        const prices = [...firstPrices]
        const impact = (costs.halfSpreadBps + costs.slippageBps) * 1e-4
        const waiting = new Map<string, Array<number>>()
        let cash = BigInt(startingCash)
        steps.forEach(({ bars, sizes }, index) => {
          const some = barsOf(index, bars, prices)
          Account.applyBars(account, { asOf: asOfAt(index), bars: some })
          for (const bar of some) {
            if (bar.volume === 0) continue
            const instrument = instruments.find(({ id }) => id === bar.instrument) as Instrument
            for (const lots of waiting.get(bar.instrument) ?? []) {
              const price = (bar.closeOnly ? bar.close : bar.open) * (1 + Math.sign(lots) * impact)
              const exact = price / instrument.tick
              const ticks = Math.max(lots > 0 ? Math.ceil(exact - 1e-9) : Math.floor(exact + 1e-9), 1)
              const paid = paidFor(instrument, lots, ticks)
              cash -= paid + feeOn(paid, costs.feeBps)
              fills++
            }
            waiting.delete(bar.instrument)
          }
          expect(BigInt(account.ledger.cash)).toBe(cash)
          instruments.forEach(({ id, lot }, i) => {
            const lots = Math.round((sizes[i] as number) * (i === 3 ? 1 / lot : 1))
            if (lots === 0) return
            Either.getOrThrow(place(account, orderOf(market(id, lots), `${index}.${i}`, asOfAt(index))))
            waiting.set(id, [...(waiting.get(id) ?? []), lots])
          })
        })
      })
    )
    expect(fills).toBeGreaterThan(3_000)
  })

  it("cost nothing but their rounding where nothing is charged", () => {
    const account = Account.open(
      startingCash,
      termsOf({
        costs: free,
        leverageMax: null,
        shorting: true,
        maintenanceMargin: null,
        participationMax: null,
        latencyMs: 0
      })
    )
    const [odd] = instruments as [Instrument]
    Account.list(account, odd)
    Account.applyBars(account, { asOf: asOfAt(0), bars: [barOf(odd, 0, { open: 0.9 })] })
    place(account, orderOf(market(odd.id, 1_001), "in", asOfAt(0)))
    Account.applyBars(account, { asOf: asOfAt(1), bars: [barOf(odd, 1, { open: 0.9 })] })
    place(account, orderOf(market(odd.id, -1_001), "out", asOfAt(1)))
    Account.applyBars(account, { asOf: asOfAt(2), bars: [barOf(odd, 2, { open: 0.9 })] })
    expect(account.ledger.cash).toBe(startingCash)
  })
})
