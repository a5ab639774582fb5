import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { type SweepOptions, sweepCrossings } from "../../../src/agents/backtest/sweep.ts"
import { type Trial, trialId } from "../../../src/learning/evaluation/Trials.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { type BarSeries, ColumnsBuilder } from "../../../src/market/BarSeries.ts"
import { withoutLimits } from "../../../src/market/execution/Terms.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { frameMs, instrumentOf, startTime, timeFrame } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")

/** Closes that follow the returns given. */
const seriesOf = (returns: ReadonlyArray<number>): BarSeries => {
  const builder = new ColumnsBuilder(true, false)
  let close = 20_000
  for (const [i, change] of returns.entries()) {
    close *= 1 + change
    builder.push(startTime + i * frameMs, Math.round(close * 100) / 100, 0, 0, 0, 0)
  }
  return { ...builder.finish(), instrument: alpha, timeFrame, gaps: 0, barsMissing: 0 }
}

const noise = (bars: number, seed: number) => {
  const random = keyedRandom(seed, "sweep-test")
  return Array.from({ length: bars }, () => 0.01 * random.normal())
}

/** Trends of 60 bars, up and down in turn: a fast rule follows them, a slow one comes too late. */
const trends = (bars: number, seed: number) =>
  noise(bars, seed).map((value, i) => value / 4 + (Math.floor(i / 60) % 2 === 0 ? 0.004 : -0.004))

const options: SweepOptions = {
  rules: [
    { fast: 3, slow: 9 },
    { fast: 5, slow: 20 },
    { fast: 20, slow: 60 },
    { fast: 40, slow: 120 }
  ],
  shorting: true,
  terms: withoutLimits({ feeBps: 1, halfSpreadBps: 0, slippageBps: 0 }),
  startingCash: 100_000,
  folds: 4,
  embargoBars: 10,
  before: []
}

const sweepOf = (series: BarSeries, changed: Partial<SweepOptions> = {}) =>
  runThrough(sweepCrossings(series, { ...options, ...changed }))

const judged = (series: BarSeries, changed: Partial<SweepOptions> = {}) =>
  Either.getOrThrowWith(sweepOf(series, changed), (error) => error)

describe("a sweep of crossing rules", () => {
  it("finds the rule that follows the trends, and that choosing it was no luck", () => {
    const sweep = judged(seriesOf(trends(1_500, 1)))
    expect([sweep.best.fast, sweep.best.slow].join("/")).toMatch(/^(3\/9|5\/20)$/)
    expect(sweep.walkForward.sharpes[0]).toBeGreaterThan(5)
    expect(sweep.combinatorial.sharpes.length).toBe(5)
    expect(Math.min(...sweep.combinatorial.sharpes.map((sharpe) => sharpe ?? 0))).toBeGreaterThan(5)
    expect(sweep.overfitting.probability).toBeLessThan(0.2)
    expect(sweep.deflated?.probability).toBeGreaterThan(0.99)
  })

  it("claims nothing of noise", () => {
    const worth = [1, 2, 3, 4, 5, 6].map((seed) => judged(seriesOf(noise(1_200, seed))))
    const mean = (values: ReadonlyArray<number>) =>
      values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean(worth.map(({ overfitting }) => overfitting.probability))).toBeGreaterThan(0.25)
    expect(worth.filter(({ deflated }) => (deflated?.probability ?? 0) > 0.95).length).toBeLessThanOrEqual(1)
  })

  it("is deflated by what was tried on the same bars before", () => {
    const series = seriesOf(trends(700, 1).map((value, i) => value * 0.3 + (noise(700, 8)[i] as number) / 2))
    const earlier = (name: string, sharpe: number): Trial => ({
      id: trialId({ name }),
      kind: "crossing",
      at: 0,
      timeFrame,
      data: { from: 0, to: 1 },
      sharpe,
      observations: 700,
      skewness: 0,
      kurtosis: 3,
      meta: []
    })
    const before = Array.from({ length: 40 }, (_, i) => earlier(String(i), 0.02 * Math.sin(i)))
    const [alone, after] = [judged(series), judged(series, { before })]
    expect([alone.trialsBefore, alone.deflated?.trials]).toEqual([0, alone.effectiveTrials])
    expect([after.trialsBefore, after.deflated?.trials]).toEqual([40, alone.effectiveTrials + 40])
    expect(after.deflated?.expectedMaximum).toBeGreaterThan(alone.deflated?.expectedMaximum ?? 0)
    expect(after.deflated?.probability).toBeLessThan(alone.deflated?.probability ?? 0)
    expect({ ...after, deflated: null, trialsBefore: 0 }).toEqual({ ...alone, deflated: null })
  })

  it("chooses by the past alone: what comes after a test changes no choice before it", () => {
    const past = trends(900, 3)
    const one = judged(seriesOf([...past, ...noise(300, 4)]))
    const other = judged(seriesOf([...past, ...noise(300, 5).map((value) => value * 3)]))
    // The first fold ends at bar 600, and trains on less.
    expect(one.walkForward.chosen[0]).toEqual(other.walkForward.chosen[0])
    expect(one.walkForward.chosen[1]).toEqual(other.walkForward.chosen[1])
  })

  it("counts nothing after a ruin", () => {
    // The only trade is a short one, which the price takes everything from.
    const falls = Array.from({ length: 130 }, () => -0.002)
    const series = seriesOf([...falls, ...Array.from({ length: 60 }, () => 0.1), ...noise(200, 2)])
    const sweep = judged(series, {
      rules: [
        { fast: 40, slow: 120 },
        { fast: 41, slow: 121 }
      ]
    })
    for (const { metrics } of sweep.rules)
      expect([metrics.ruined, metrics.totalReturn <= -1]).toEqual([true, true])
    for (const sharpe of sweep.combinatorial.sharpes) expect(sharpe ?? 0).toBeLessThanOrEqual(0)
  })

  it("trades with what the account carries", () => {
    const series = seriesOf(trends(700, 1))
    const carrying = (leverageMax: number | null) =>
      sweepOf(series, { terms: { ...options.terms, leverageMax } })
    const bestOf = (leverageMax: number | null) =>
      Either.getOrThrowWith(carrying(leverageMax), (error) => error).best
    expect(bestOf(1).fills).toBe(bestOf(null).fills)
    expect(bestOf(1).metrics.totalReturn).toBeCloseTo(bestOf(null).metrics.totalReturn, 2)
  })

  it("is none where the account refuses every order of a rule", () => {
    const falls = seriesOf(Array.from({ length: 400 }, () => -0.001))
    const refused = sweepOf(falls, { terms: { ...options.terms, shorting: false } })
    expect(Either.flip(refused)).toMatchObject({ right: { _tag: "OrdersRefused", rule: "3/9", orders: 1 } })
  })

  it("pays for going from one rule to another by what the account holds, whatever the rules are at", () => {
    // It sells nothing short: what a rule bought it goes on to hold, but for what it trims.
    const costs = { feeBps: 100, halfSpreadBps: 0, slippageBps: 0 }
    const lengths = [
      { fast: 2, slow: 30 },
      { fast: 8, slow: 31 },
      { fast: 20, slow: 32 }
    ]
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const series = seriesOf([...Array.from({ length: 40 }, () => 0.002), ...noise(1_000, seed)])
      const terms = { ...withoutLimits(costs), shorting: false }
      const { combinatorial, rules } = judged(series, { rules: lengths, terms })
      for (const { fills, rejections } of rules) expect(rejections).toBeGreaterThan(fills)
      const least = Math.min(...rules.map(({ metrics }) => metrics.sharpe ?? 0))
      for (const sharpe of combinatorial.sharpes) expect(sharpe).toBeGreaterThan(least - 0.02)
    }
  })

  it("is the same each time, and refuses what is too short to be split", () => {
    const series = seriesOf(noise(600, 9))
    expect(judged(series)).toEqual(judged(series))
    expect(Either.isLeft(sweepOf(seriesOf(noise(20, 9))))).toBe(true)
  })
})
