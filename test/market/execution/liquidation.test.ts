/** What comes first inside a bar: the venue's closing, or the orders that would have kept it away. */
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import * as Account from "../../../src/market/execution/Account.ts"
import { place } from "../../../src/market/execution/acceptance.ts"
import { limit, market, type OrderRequest, orderOf, stop } from "../../../src/market/execution/Order.ts"
import type { ExecutionRules } from "../../../src/market/execution/Terms.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { lotsOf, moneyOf } from "./conservation.ts"
import { alpha, asOfAt, barOf, free, instrumentOf, type Prices, terms } from "./market.ts"

const { id } = alpha
const beta = instrumentOf("BETA")
const margin: Partial<ExecutionRules> = { maintenanceMargin: 0.1 }

const order = (account: Account.Account, request: OrderRequest, name: string) =>
  Either.getOrThrow(place(account, orderOf(request, name, account.asOf ?? 0)))
const step = (account: Account.Account, index: number, ...bars: ReadonlyArray<Bar>) =>
  Account.applyBars(account, { asOf: asOfAt(index), bars })

/** Holds lots of alpha, and of beta where so many are named, since bar 1; both were at 100. */
const holding = (cash: number, alphas: number, betas = 0, rules = margin) => {
  const account = Account.open(cash * 1e6, terms(rules))
  const wanted = [
    { instrument: alpha, lots: alphas },
    { instrument: beta, lots: betas }
  ]
  for (const { instrument } of wanted) Account.list(account, instrument)
  const bars = (index: number) => wanted.map(({ instrument }) => barOf(instrument, index, { open: 100 }))
  step(account, 0, ...bars(0))
  for (const { instrument, lots } of wanted)
    if (lots !== 0) order(account, market(instrument.id, lots), `enter ${instrument.symbol}`)
  step(account, 1, ...bars(1))
  return account
}

/** Fifty lots of a thousand: below a tenth under 88.88. */
const longs = () => holding(1_000, 50)
const through = (account: Account.Account, prices: Prices, others: ReadonlyArray<Bar> = []) =>
  step(account, 2, barOf(alpha, 2, prices), ...others)
const lotsAt = ({ fills }: Account.Report) => fills.map(({ lots, ticks }) => [lots, ticks])

describe("an account that its bar liquidates", () => {
  it("is not saved by a target that the same bar reaches", () => {
    const account = longs()
    order(account, limit(id, -50, 105), "target")
    const report = through(account, { open: 100, high: 106, low: 88 })
    expect(lotsAt(report)).toEqual([[-50, 88]])
    expect(report.cancellations).toEqual([{ order: "target", lots: -50, reason: "liquidated" }])
  })

  it("is saved by the target where its price is the first one, and where the low leaves enough", () => {
    const atTheOpen = longs()
    order(atTheOpen, limit(id, -50, 105), "target")
    expect(lotsAt(through(atTheOpen, { open: 106, low: 88 }))).toEqual([[-50, 106]])
    const inside = longs()
    order(inside, limit(id, -50, 105), "target")
    expect(lotsAt(through(inside, { open: 100, high: 106, low: 89 }))).toEqual([[-50, 105]])
  })

  it("is not saved by a target of another instrument", () => {
    const account = holding(1_000, 25, 25)
    order(account, limit(beta.id, -25, 105), "target")
    const other = barOf(beta, 2, { open: 100, high: 106, low: 88 })
    const report = through(account, { open: 100, low: 88 }, [other])
    expect(lotsAt(report)).toEqual([
      [-25, 88],
      [-25, 88]
    ])
    expect([Account.heldOf(account, id), Account.heldOf(account, beta.id)]).toEqual([0, 0])
  })

  it("is saved by a stop that is met before it, and not by one that is met after", () => {
    const before = longs()
    order(before, stop(id, -50, 90), "stop")
    expect(lotsAt(through(before, { open: 100, low: 80 }))).toEqual([[-50, 90]])
    const after = longs()
    order(after, stop(id, -50, 88), "stop")
    expect(lotsAt(through(after, { open: 100, low: 80 }))).toEqual([[-50, 80]])
    const short = holding(1_000, -50)
    order(short, stop(id, 50, 105), "stop")
    expect(lotsAt(through(short, { open: 100, high: 130 }))).toEqual([[50, 105]])
  })

  it("is looked at between its stops, and with what they leave", () => {
    const staggered = (...stops: ReadonlyArray<readonly [lots: number, ticks: number]>) => {
      const account = longs()
      // The nearest one last: it is their prices that order them.
      for (const [lots, ticks] of stops) order(account, stop(id, lots, ticks), `stop at ${ticks}`)
      return lotsAt(through(account, { open: 100, low: 70 }))
    }
    // 25 lots at 84: worth 2,100, and 1,000 less 250 less 400 are left.
    expect(staggered([-25, 84], [-25, 90])).toEqual([
      [-25, 84],
      [-25, 90]
    ])
    // At 77 a tenth of 1,925 is more than the 175 that are left: the stop at 90 was met before, that at 77 is not.
    const first = [
      [-25, 90],
      [-25, 70]
    ]
    expect(staggered([-25, 77], [-25, 90])).toEqual(first)
    expect(staggered([-25, 90])).toEqual(first)
    expect(staggered([-25, 88], [-25, 77])).toEqual([[-50, 70]])
    expect(staggered([-50, 60], [-50, 90])).toEqual([[-50, 90]])
  })

  it("is liquidated of less the more its stop closes, and drops what is left of its orders", () => {
    const stopped = (lots: number) => {
      const account = longs()
      order(account, stop(id, -lots, 95, { bracket: { stopLossTicks: null, takeProfitTicks: 90 } }), "stop")
      order(account, limit(id, -5, 120), "target")
      return through(account, { open: 100, low: 60 })
    }
    expect(lotsAt(stopped(25))).toEqual([
      [-25, 95],
      [-25, 60]
    ])
    expect(lotsAt(stopped(40))).toEqual([[-40, 95]])
  })

  it("has met a stop of one instrument only where it was above its margin whatever the others went through", () => {
    const both = (lowOfBeta: number) => {
      const account = holding(1_000, 25, 25)
      order(account, stop(id, -10, 95), "stop")
      const report = through(account, { open: 100, low: 60 }, [barOf(beta, 2, { open: 100, low: lowOfBeta })])
      return lotsAt(report)
    }
    // 1,000 less 125 less 375, against a tenth of 2,375 and of 2,125.
    expect(both(85)).toEqual([
      [-10, 95],
      [-15, 60],
      [-25, 85]
    ])
    expect(both(70)).toEqual([
      [-25, 60],
      [-25, 70]
    ])
  })

  it("is looked at with what its stops have opened", () => {
    const account = holding(2_000, 50)
    order(account, stop(id, 50, 105), "adds")
    const report = through(account, { open: 100, high: 106, low: 85 })
    expect(lotsAt(report)).toEqual([
      [50, 105],
      [-100, 85]
    ])
  })
})

const anyPrices = fc
  .tuple(
    fc.integer({ min: 60, max: 140 }),
    fc.nat(45),
    fc.nat(45),
    fc.double({ min: 0, max: 1, noNaN: true })
  )
  .map(([open, up, down, share]): Prices => {
    const [high, low] = [open + up, open - down]
    return { open, high, low, close: Math.round(low + share * (high - low)) }
  })
const anyLots = fc.integer({ min: -40, max: 40 })
const anyTarget = fc.record({
  isAlpha: fc.boolean(),
  lots: fc.integer({ min: -60, max: 60 }).filter((lots) => lots !== 0),
  /** From the first price, on the side where it waits. */
  distance: fc.nat(30)
})

/** The way from the first price of a bar to the worst, tick by tick: the fills on it, and whether the venue closed the rest. */
const walk = (lots: number, open: number, worst: number, stops: ReadonlyArray<readonly [number, number]>) => {
  const step = Math.sign(worst - open)
  const fills: Array<readonly [lots: number, ticks: number]> = []
  let [held, cash] = [lots, 1_000 - lots * 100]
  for (let price = open; step !== 0 && step * (worst - price) >= 0; price += step) {
    if (10 * (cash + held * price) < Math.abs(held * price)) {
      fills.push([-held, worst])
      return { fills, isLiquidated: true }
    }
    for (const [size, ticks] of stops) {
      if (ticks !== price || held === 0) continue
      const closed = -Math.sign(held) * Math.min(size, Math.abs(held))
      fills.push([closed, price])
      cash -= closed * price
      held += closed
    }
  }
  return { fills, isLiquidated: false }
}

describe("stops on the way to the worst price of a bar", () => {
  it("fill as on a walk tick by tick, where there is one instrument", () => {
    const seen = { stopped: 0, liquidated: 0, both: 0 }
    const anyStop = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        fc.integer({ min: 90, max: 110 }),
        fc.integer({ min: 1, max: 45 }),
        fc.array(anyStop, { maxLength: 4 }),
        (size, isLong, open, fall, sizes) => {
          const side = isLong ? 1 : -1
          const [lots, worst] = [side * size, open - side * fall]
          const stops = sizes
            .toSorted(([, a], [, b]) => a - b)
            .map(([closes, distance]) => [closes, open - side * distance] as const)
          const expected = walk(lots, open, worst, stops)
          const account = holding(1_000, lots)
          for (const [i, [closes, ticks]] of stops.entries())
            order(account, stop(id, -side * closes, ticks, { reduceOnly: true }), `stop ${i}`)
          const report = through(account, { open, low: Math.min(open, worst), high: Math.max(open, worst) })
          expect(lotsAt(report)).toEqual(expected.fills)
          expect(lotsOf(account.ledger)).toBe(0n)
          if (expected.isLiquidated) seen.liquidated++
          else if (expected.fills.length > 0) seen.stopped++
          if (expected.isLiquidated && expected.fills.length > 1) seen.both++
        }
      ),
      { numRuns: 500 }
    )
    expect(seen.stopped).toBeGreaterThan(50)
    expect(seen.liquidated).toBeGreaterThan(50)
    expect(seen.both).toBeGreaterThan(10)
  })
})

describe("limits inside a bar", () => {
  it("change nothing of a liquidation that comes without them, and conserve money and lots", () => {
    const seen = { liquidations: 0, limits: 0, both: 0 }
    fc.assert(
      fc.property(
        anyLots,
        anyLots,
        anyPrices,
        anyPrices,
        fc.array(anyTarget, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 30),
        (alphas, betas, ofAlpha, ofBeta, targets, feeBps) => {
          const rules = { ...margin, costs: { ...free, feeBps } }
          const bars = [barOf(alpha, 2, ofAlpha), barOf(beta, 2, ofBeta)]
          const without = holding(1_000, alphas, betas, rules)
          const plain = step(without, 2, ...bars)
          const account = holding(1_000, alphas, betas, rules)
          for (const [i, { distance, isAlpha, lots }] of targets.entries()) {
            const ticks = (isAlpha ? ofAlpha : ofBeta).open - Math.sign(lots) * distance
            order(account, limit(isAlpha ? id : beta.id, lots, ticks), `target ${i}`)
          }
          const cash = moneyOf(account.ledger)
          const report = step(account, 2, ...bars)
          expect(moneyOf(account.ledger)).toBe(cash)
          expect(lotsOf(account.ledger)).toBe(0n)
          const filled = report.fills.filter(({ order: of }) => of.startsWith("target"))
          if (filled.length > 0) seen.limits++
          if (filled.length < report.fills.length && filled.length > 0) seen.both++
          if (plain.fills.length === 0) return
          seen.liquidations++
          expect(report.fills).toEqual(plain.fills)
          expect(account.ledger).toEqual(without.ledger)
        }
      ),
      { numRuns: 400 }
    )
    expect(seen.liquidations).toBeGreaterThan(50)
    expect(seen.limits).toBeGreaterThan(50)
    expect(seen.both).toBeGreaterThan(5)
  })
})
