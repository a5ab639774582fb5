import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import {
  backtestOverfitting,
  type OverfittingOptions
} from "../../../src/learning/evaluation/BacktestOverfitting.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const judge = (returns: Float64Array, options: OverfittingOptions) =>
  runThrough(backtestOverfitting(returns, options))

const overfitting = (returns: Float64Array, options: OverfittingOptions) =>
  Either.getOrThrow(judge(returns, options))

/** [bars, strategies] of independent normal returns; the first strategy has an edge. */
const noise = (seed: number, bars: number, strategies: number, edge = 0) => {
  const random = keyedRandom("overfitting", seed)
  return Float64Array.from(
    { length: bars * strategies },
    (_, i) => 0.01 * (random.normal() + (i % strategies === 0 ? edge : 0))
  )
}

/** As the paper writes it, from the whole matrix and with nothing summed beforehand. */
const byDefinition = (returns: Float64Array, strategies: number, blocks: number) => {
  const length = Math.floor(returns.length / strategies / blocks)
  const first = returns.length / strategies - length * blocks
  const sharpe = (chosen: ReadonlyArray<number>, strategy: number) => {
    const values = chosen.flatMap((block) =>
      Array.from(
        { length },
        (_, i) => returns[(first + block * length + i) * strategies + strategy] as number
      )
    )
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    return mean / Math.sqrt(squares / (values.length - 1))
  }
  const all = Array.from({ length: blocks }, (_, block) => block)
  const halves = Array.from({ length: 2 ** blocks }, (_, mask) => all.filter((b) => (mask >> b) & 1)).filter(
    (half) => half.length === blocks / 2
  )
  return halves.map((half) => {
    const inSample = Array.from({ length: strategies }, (_, s) => sharpe(half, s))
    const others = all.filter((block) => !half.includes(block))
    const outOfSample = Array.from({ length: strategies }, (_, s) => sharpe(others, s))
    const best = inSample.indexOf(Math.max(...inSample))
    const rank = outOfSample.filter((value) => value <= (outOfSample[best] as number)).length
    const relative = rank / (strategies + 1)
    return { logit: Math.log(relative / (1 - relative)), judged: outOfSample[best] as number }
  })
}

describe("backtestOverfitting", () => {
  it("gives no ratio to returns that do not vary on a half, wherever they lie", () => {
    // The first strategy earns the same in every bar but for the first block; the second has a true ratio of about 1.
    for (const [seed, constant] of [0.1, 0.037, 0.0123, 0.3, 0.007].entries()) {
      const random = keyedRandom("constant on a half", seed)
      const returns = Float64Array.from({ length: 160 * 2 }, (_, i) =>
        i % 2 === 0 ? (i < 20 ? 20 * constant * random.normal() : constant) : 0.01 * (1 + random.normal())
      )
      const { degradation, logits } = overfitting(returns, { strategies: 2 })
      // Where it is chosen on the first block too, it varies, and is worse.
      for (const logit of logits) expect(logit).toBeCloseTo(Math.log(2), 12)
      expect(Math.abs(degradation?.intercept ?? Number.NaN)).toBeLessThan(10)
    }
  })

  it("is what the definition says, split by split", () => {
    const strategies = 5
    const returns = noise(1, 67, strategies, 0.2)
    const found = overfitting(returns, { strategies, blocks: 6 })
    const expected = byDefinition(returns, strategies, 6)
    expect(found.splits).toBe(20)
    expect(found.bars).toBe(66)
    const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b)
    const logits = sorted(expected.map(({ logit }) => logit))
    sorted(found.logits).forEach((logit, i) => {
      expect(logit).toBeCloseTo(logits[i] as number, 9)
    })
    expect(found.probability).toBe(expected.filter(({ logit }) => logit <= 0).length / 20)
    expect(found.lossProbability).toBe(expected.filter(({ judged }) => judged < 0).length / 20)
  })

  it("is a half on average where all strategies are noise", () => {
    const worlds = 120
    const found = Array.from(
      { length: worlds },
      (_, seed) => overfitting(noise(seed, 160, 10), { strategies: 10, blocks: 8 }).probability
    )
    const mean = found.reduce((sum, value) => sum + value, 0) / worlds
    const squares = found.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const error = Math.sqrt(squares / (worlds - 1) / worlds)
    expect(error).toBeLessThan(0.03)
    expect(Math.abs(mean - 0.5)).toBeLessThan(3 * error)
  })

  it("is next to nothing where one strategy is truly better", () => {
    const found = overfitting(noise(7, 640, 20, 0.5), { strategies: 20 })
    expect(found.splits).toBe(12_870)
    expect(found.probability).toBeLessThan(0.001)
    expect(found.lossProbability).toBeLessThan(0.001)
  })

  it("is one where what is best on a half is the worst on the other, by construction", () => {
    // Returns of one size, and the same sum for every strategy: what one half has more, the other has less.
    const strategies = 8
    const bars = 64
    const random = keyedRandom("adversary")
    const returns = new Float64Array(bars * strategies)
    for (let s = 0; s < strategies; s++) {
      const signs: Array<number> = Array.from({ length: bars }, (_, i) => (i % 2 === 0 ? 0.01 : -0.01))
      for (let i = bars - 1; i > 0; i--) {
        const j = random.int(i + 1)
        ;[signs[i], signs[j]] = [signs[j] as number, signs[i] as number]
      }
      signs.forEach((value, bar) => {
        returns[bar * strategies + s] = value
      })
    }
    for (const measure of ["sharpe", "mean"] as const) {
      const found = overfitting(returns, { strategies, blocks: 8, measure })
      expect(found.probability).toBe(1)
      expect(found.degradation?.slope).toBeCloseTo(-1, 6)
      expect(found.degradation?.intercept).toBeCloseTo(0, 9)
    }
  })

  it("sees no spread, no loss and a middle rank where all strategies stand aside", () => {
    const found = overfitting(new Float64Array(160), { strategies: 4, blocks: 4 })
    expect(found).toMatchObject({ probability: 1, lossProbability: 0, degradation: null })
    expect([...found.logits]).toEqual([0, 0, 0, 0, 0, 0])
  })

  it("does not depend on the order of the strategies, nor on the size of their returns", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: -20, max: 20 }), (seed, exponent) => {
        const strategies = 4
        const returns = noise(seed, 48, strategies)
        const turned = returns.map((_, i) => {
          const column = strategies - 1 - (i % strategies)
          return (returns[i - (i % strategies) + column] as number) * 2 ** exponent
        })
        const options = { strategies, blocks: 6 }
        expect(overfitting(turned, options).logits).toEqual(overfitting(returns, options).logits)
      }),
      { numRuns: 30 }
    )
  })

  it("leaves out the oldest bars that make no whole block", () => {
    const returns = noise(3, 40, 3)
    const longer = Float64Array.from([...new Float64Array(9).fill(5), ...returns])
    const options = { strategies: 3, blocks: 4 }
    expect(overfitting(longer, options)).toEqual(overfitting(returns, options))
  })

  it("refuses what says nothing", () => {
    const refused = (returns: Float64Array, options: OverfittingOptions) => refusalOf(judge(returns, options))
    expect(refused(noise(1, 31, 2), { strategies: 2 })).toContain(
      "31 bars do not make 16 blocks of at least 2"
    )
    expect(refused(noise(1, 64, 1), { strategies: 1 })).toContain(
      "one strategy alone was not chosen from any"
    )
    expect(refused(Float64Array.of(1, Number.NaN), { strategies: 2 })).toContain("return is NaN")
    expect(refused(new Float64Array(65), { strategies: 2 })).toContain("return has 65 numbers, not 64")
    for (const blocks of [3, 22, 0]) {
      expect(() => judge(noise(1, 64, 2), { strategies: 2, blocks })).toThrow("number of blocks")
    }
  })
})
