import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type RewardSpec, Rewards, varianceMin } from "../../../src/market/environment/Rewards.ts"

const returns = fc.array(fc.double({ min: -0.05, max: 0.05, noNaN: true }), { minLength: 5, maxLength: 60 })

/** Rewards over a path of returns, growth and shaping together, of row 1 of two. */
const rewardsOf = (reward: RewardSpec, path: ReadonlyArray<number>) => {
  const settlement = new Rewards(2, { reward, scale: 1, floorMicro: 1 })
  const marked = { previous: Float64Array.of(1, 0), equity: Float64Array.of(1, 1e9) }
  settlement.begin(0, marked)
  settlement.begin(1, marked)
  return path.map((gained) => {
    const before = marked.equity[1] as number
    marked.previous[1] = before
    marked.equity[1] = before * (1 + gained)
    settlement.settle(1, marked)
    return settlement.rewards[1] as number
  })
}

describe("the differential Sharpe ratio", () => {
  it("is the change of the running Sharpe ratio by eta, in the limit", () => {
    fc.assert(
      fc.property(returns, (path) => {
        const eta = 0.05
        const rewards = rewardsOf({ kind: "differential-sharpe", eta }, path)
        // The running means by themselves, and the ratio's derivative by a difference.
        let [mean, square] = [0, 0]
        for (const [t, gained] of path.entries()) {
          const ratioAt = (rate: number) => {
            const [a, b] = [mean + rate * (gained - mean), square + rate * (gained ** 2 - square)]
            return a / Math.sqrt(b - a * a)
          }
          if (square - mean * mean > 100 * varianceMin) {
            const by = 1e-5
            const over = (rate: number) => ratioAt(rate) - ratioAt(-rate)
            // Of fourth order: a large return after a quiet stretch bends the ratio sharply.
            const slope = (8 * over(by) - over(2 * by)) / (12 * by)
            expect(rewards[t]).toBeCloseTo(slope, 3)
          }
          mean += eta * (gained - mean)
          square += eta * (gained ** 2 - square)
        }
      })
    )
  })

  it("is finite while nothing moves, and begins anew with an episode", () => {
    const spec = { kind: "differential-sharpe", eta: 0.1 } as const
    const quiet = rewardsOf(spec, [0, 0, 0.01, 0, 0])
    expect(quiet.slice(0, 3)).toEqual([0, 0, 0])
    expect(quiet.every(Number.isFinite)).toBe(true)
    const settlement = new Rewards(1, { reward: spec, scale: 1, floorMicro: 1 })
    const once = () => {
      settlement.begin(0, { previous: Float64Array.of(100), equity: Float64Array.of(100) })
      return [101, 99, 102].map((equity) => {
        settlement.settle(0, { previous: Float64Array.of(100), equity: Float64Array.of(equity) })
        return settlement.rewards[0]
      })
    }
    expect(once()).toEqual(once())
  })
})

describe("the penalty on drawdowns", () => {
  it("takes lambda times what the drawdown grows by", () => {
    fc.assert(
      fc.property(returns, fc.double({ min: 0, max: 5, noNaN: true }), (path, lambda) => {
        const rewards = rewardsOf({ kind: "drawdown-penalised", lambda }, path)
        let [equity, highest, drawdown] = [1e9, 1e9, 0]
        for (const [t, gained] of path.entries()) {
          equity *= 1 + gained
          highest = Math.max(highest, equity)
          const next = 1 - equity / highest
          const expected = Math.log1p(gained) - lambda * Math.max(0, next - drawdown)
          expect(rewards[t]).toBeCloseTo(expected, 10)
          drawdown = next
        }
      })
    )
  })
})

describe("log wealth", () => {
  it("has no shaping, counts nothing below the floor, and tells the profit as it is", () => {
    const [up, down] = rewardsOf({ kind: "log-wealth" }, [0.1, -0.2])
    expect([up, down]).toEqual([Math.log(1.1e9 / 1e9), Math.log(0.88e9 / 1.1e9)])
    const settlement = new Rewards(1, { reward: { kind: "log-wealth" }, scale: 2, floorMicro: 10 })
    settlement.settle(0, { previous: Float64Array.of(100), equity: Float64Array.of(-50) })
    expect(settlement).toMatchObject({
      rewards: Float64Array.of(2 * Math.log(0.1)),
      shaping: Float64Array.of(0),
      profitMicro: Float64Array.of(-150)
    })
  })
})
