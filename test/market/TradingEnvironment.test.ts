import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Costs } from "../../src/market/Costs.ts"
import {
  type Action,
  buy,
  type EnvironmentColumns,
  growthFloor,
  hold,
  observationOf,
  type Position,
  sell,
  TradingEnvironment
} from "../../src/market/TradingEnvironment.ts"

const free: Costs = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }
const costly: Costs = { feeBps: 4, halfSpreadBps: 1, slippageBps: 2 }
const oneWay = 7e-4

const columnsOf = (open: ReadonlyArray<number>, close = open, closeOnly = false): EnvironmentColumns => ({
  open: Float64Array.from(open),
  close: Float64Array.from(close),
  closeOnly
})
const environment = (columns: EnvironmentColumns, costs = free, shorting = true) =>
  new TradingEnvironment(columns, { costs, shorting })

describe("a step", () => {
  const open = [100, 101, 110, 99, 120, 130]

  it("fills at the next open and earns until the open after it", () => {
    const env = environment(columnsOf(open, [1, 2, 3, 4, 5, 6]))
    expect(env.reset(0, 6)).toEqual({ index: 0, position: 0, reward: 0, terminated: false, truncated: false })
    expect({ ...env.step(buy) }).toEqual({
      index: 1,
      position: 1,
      reward: Math.log(110 / 101),
      terminated: false,
      truncated: false
    })
    expect(env.step(hold).reward).toBeCloseTo(Math.log(99 / 110), 12)
    const short = env.step(sell)
    expect([short.position, short.reward]).toEqual([-1, Math.log(1 - (120 / 99 - 1))])
  })

  it("fills at the next close of a close-only series", () => {
    const env = environment(columnsOf([1, 2, 3, 4], [100, 101, 110, 99], true))
    env.reset(0, 4)
    expect(env.step(buy).reward).toBeCloseTo(Math.log(110 / 101), 12)
  })

  it("earns nothing while flat", () => {
    const env = environment(columnsOf(open), costly)
    env.reset(0, 6)
    expect([env.step(hold).reward, env.step(hold).position]).toEqual([0, 0])
  })

  it("goes flat on a sale where shorting is off", () => {
    const env = environment(columnsOf(open), costly, false)
    env.reset(0, 6)
    expect(env.step(sell).position).toBe(0)
    expect(env.step(buy).position).toBe(1)
    const sold = env.step(sell)
    expect([sold.position, sold.reward]).toEqual([0, Math.log(1 - oneWay)])
  })

  it("pays for entering, twice for turning round, and nothing for staying", () => {
    const flatPrices = columnsOf([50, 50, 50, 50, 50, 50, 50])
    const env = environment(flatPrices, costly)
    env.reset(0, 7)
    const rewards = [buy, buy, hold, sell, sell].map((action) => env.step(action as Action).reward)
    expect(rewards[0]).toBeCloseTo(-Math.log(1 + oneWay), 12)
    expect(rewards[1]).toBe(0)
    expect(rewards[2]).toBe(0)
    expect(rewards[3]).toBeCloseTo(Math.log((1 - oneWay) / (1 + oneWay)), 12)
    expect(rewards[4]).toBe(0)
  })
})

describe("an episode", () => {
  const open = Array.from({ length: 10 }, (_, i) => 100 + i)

  it("is truncated where its bars end, and uses no price outside of them", () => {
    const poisoned = open.map((price, i) => (i < 2 || i > 6 ? Number.NaN : price))
    const env = environment(columnsOf(poisoned), costly)
    let result = env.reset(1, 7)
    const seen = [{ ...result }]
    while (!result.truncated && !result.terminated) {
      result = env.step(buy)
      seen.push({ ...result })
    }
    expect(seen.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5])
    expect(seen.map(({ truncated }) => truncated)).toEqual([false, false, false, false, true])
    expect(seen.every(({ reward }) => Number.isFinite(reward))).toBe(true)
    expect(() => env.step(hold)).toThrow("reset")
    expect({ ...env.reset(1, 7) }).toMatchObject({ index: 1, position: 0, reward: 0, truncated: false })
  })

  it("needs three bars that are there", () => {
    const env = environment(columnsOf(open))
    for (const [start, end] of [
      [0, 2],
      [8, 11],
      [-1, 5],
      [5, 3]
    ] as const) {
      expect(() => env.reset(start, end)).toThrow(RangeError)
    }
    expect(env.reset(7, 10).index).toBe(7)
    expect(env.step(hold).truncated).toBe(true)
    expect(() => environment(columnsOf(open)).step(hold)).toThrow("reset")
  })

  it("is terminated when a short position has lost everything", () => {
    const env = environment(columnsOf([10, 10, 19, 30, 30, 30]))
    env.reset(0, 6)
    expect(env.step(sell)).toMatchObject({ reward: expect.closeTo(Math.log(0.1), 9), terminated: false })
    expect({ ...env.step(hold) }).toMatchObject({
      reward: Math.log(growthFloor),
      terminated: true,
      truncated: false
    })
    expect(() => env.step(hold)).toThrow("reset")
  })

  it("writes its results into one object", () => {
    const env = environment(columnsOf(open))
    const first = env.reset(0, 10)
    expect(env.step(buy)).toBe(first)
  })
})

describe("wealth", () => {
  const prices = fc
    .array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 3, maxLength: 60 })
    .map((ratios) => {
      let price = 100
      return ratios.map((ratio) => {
        price *= ratio
        return price
      })
    })
  const actions = fc.array(fc.constantFrom<Action>(sell, hold, buy), { minLength: 60, maxLength: 60 })
  const costs = fc.record({
    feeBps: fc.double({ min: 0, max: 50, noNaN: true }),
    halfSpreadBps: fc.double({ min: 0, max: 20, noNaN: true }),
    slippageBps: fc.double({ min: 0, max: 20, noNaN: true })
  })

  /** Cash and units, traded by hand: the cost is found by repeated substitution, not by the formula. */
  const account = (cost: number) => {
    let cash = 1
    let units = 0
    let paid = 0
    return {
      wealth: (price: number) => cash + units * price,
      paid: () => paid,
      trade: (target: number, price: number) => {
        const before = cash + units * price
        let after = before
        for (let i = 0; i < 200; i++) after = before - cost * Math.abs(target * after - units * price)
        const bought = (target * after) / price - units
        const fee = cost * Math.abs(bought * price)
        cash -= bought * price + fee
        units += bought
        paid += fee
      }
    }
  }

  it("grows by the exponential of the sum of rewards, as an account kept by hand does", () => {
    fc.assert(
      fc.property(prices, actions, costs, fc.boolean(), (open, chosen, charged, shorting) => {
        const env = environment(columnsOf(open), charged, shorting)
        const cost = (charged.feeBps + charged.halfSpreadBps + charged.slippageBps) * 1e-4
        const book = account(cost)
        let result = env.reset(0, open.length)
        let sum = 0
        let position: Position = 0
        for (let t = 0; !result.truncated && !result.terminated; t++) {
          const action = chosen[t] as Action
          const target: Position = action === hold ? position : action === buy ? 1 : shorting ? -1 : 0
          const paidBefore = book.paid()
          if (target !== position) book.trade(target, open[t + 1] as number)
          result = env.step(action)
          sum += result.reward
          expect(result.position).toBe(target)
          // Without the cost the step would have earned more, exactly when the position changed.
          if (cost > 1e-8) expect(book.paid() > paidBefore).toBe(target !== position)
          position = target
          if (!result.terminated) expect(sum).toBeCloseTo(Math.log(book.wealth(open[t + 2] as number)), 8)
        }
      })
    )
  })

  it("is less with costs than without exactly in the steps where the position changes", () => {
    fc.assert(
      fc.property(prices, actions, (open, chosen) => {
        // Long or flat: with a constant exposure the rewards of both can be compared step by step.
        const paying = environment(columnsOf(open), costly, false)
        const free_ = environment(columnsOf(open), free, false)
        let a = paying.reset(0, open.length)
        let b = free_.reset(0, open.length)
        for (let t = 0; !a.truncated; t++) {
          const before = a.position
          a = paying.step(chosen[t] as Action)
          b = free_.step(chosen[t] as Action)
          const cost = b.reward - a.reward
          if (a.position === before) expect(Math.abs(cost)).toBeLessThan(1e-12)
          else expect(cost).toBeGreaterThan(6e-4)
        }
      })
    )
  })
})

describe("an observation", () => {
  it("has a row of its own for every market state and position", () => {
    const rows = [0, 1, 2].flatMap((state) =>
      ([-1, 0, 1] as const).map((position) => observationOf(state, position))
    )
    expect(rows).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })
})
