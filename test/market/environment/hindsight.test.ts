import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { runThrough } from "../../../src/learning/steps.ts"
import type { Costs } from "../../../src/market/Costs.ts"
import { hindsightPolicy, lastFeature, oracleFeature } from "../../../src/market/environment/hindsight.ts"
import {
  noVariation,
  type SimulatedCourse,
  simulatedCourses
} from "../../../src/market/environment/simulatedCourses.ts"
import { buy, hold, sell } from "../../../src/market/environment/TradingEnvironments.ts"
import { sequenceFeatures } from "../../../src/market/SequenceFeatures.ts"
import { worlds } from "../../../src/market/worlds.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { cents, costly, courseOf, environmentOf, free, partsOf, steady } from "./arbitraries.ts"

const barsOf = (prices: ReadonlyArray<number>) => partsOf(steady(prices)).bars
const pricesOf = (
  range: { readonly min: number; readonly max: number },
  minLength: number,
  maxLength: number
) =>
  fc.array(fc.double({ ...range, noNaN: true }), { minLength, maxLength }).map((ratios) => {
    let price = 1_000
    return ratios.map((ratio) => {
      price *= ratio
      return price
    })
  })

/** Growth of a sequence of positions, by the formula. */
const growthOf = (
  positions: ReadonlyArray<number>,
  path: ReadonlyArray<number>,
  { cost }: { cost: number }
) => {
  const bars = barsOf(path)
  let before = 0
  let growth = 0
  for (const [bar, position] of positions.entries()) {
    const from = bars.open[bar + 1]
    const earned = from === undefined ? 0 : (bars.open[bar + 2] ?? (bars.close[bar + 1] as number)) / from - 1
    growth += Math.log1p(position * earned) + Math.log1p(-cost * Math.abs(position - before))
    before = position
  }
  return growth
}

const sequences = (length: number, positions: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  length === 0
    ? [[]]
    : sequences(length - 1, positions).flatMap((rest) => positions.map((position) => [...rest, position]))

describe("the hindsight policy", () => {
  it("is the best of all sequences of positions", () => {
    const costs: Costs = { feeBps: 40, halfSpreadBps: 50, slippageBps: 10 }
    fc.assert(
      fc.property(pricesOf({ min: 0.9, max: 1.1 }, 3, 7), fc.boolean(), (path, shorting) => {
        const { growth, positions } = hindsightPolicy(barsOf(path), { costs, shorting })
        const every = sequences(path.length, shorting ? [-1, 0, 1] : [0, 1])
        const best = Math.max(...every.map((sequence) => growthOf(sequence, path, { cost: 0.01 })))
        expect(growth).toBeCloseTo(best, 10)
        expect(growthOf([...positions], path, { cost: 0.01 })).toBeCloseTo(growth, 10)
      }),
      { numRuns: 40 }
    )
  })

  it("earns in the environment what it says, long or flat", () => {
    fc.assert(
      fc.property(pricesOf({ min: 0.99, max: 1.01 }, 20, 50), (path) => {
        const { growth, positions } = hindsightPolicy(barsOf(path), { costs: costly, shorting: false })
        const environment = environmentOf(
          [courseOf(steady(path), { instrument: { ...cents, tick: 0.000_1 } })],
          {
            actions: { kind: "discrete", shorting: false }
          }
        )
        let earned = 0
        for (const position of positions.subarray(0, path.length - 1)) {
          environment.step(Int32Array.of(position === 1 ? buy : sell))
          earned += environment.rewards[0] as number
        }
        // The bars open where the ones before closed, so that fills and marks meet. What is left is that lots are
        // bought for the wealth before costs: a cost's share more of them, which earn as much more.
        expect(earned).toBeCloseTo(growth, 3)
      }),
      { numRuns: 60 }
    )
  })

  it("does nothing where costs exceed what there is, and everything where there are none", () => {
    const path = [100, 100, 101, 100, 101, 100]
    const dear: Costs = { feeBps: 300, halfSpreadBps: 0, slippageBps: 0 }
    expect([...hindsightPolicy(barsOf(path), { costs: dear, shorting: true }).positions]).toEqual(
      Array(6).fill(0)
    )
    const { growth } = hindsightPolicy(barsOf(path), { costs: free, shorting: true })
    const earned = [1.01, 2 - 100 / 101, 1.01, 2 - 100 / 101].reduce((sum, by) => sum + Math.log(by), 0)
    expect(growth).toBeCloseTo(earned, 12)
  })
})

describe("the features of hindsight", () => {
  it("are the return of the fill that follows, and of the one that is known", () => {
    const bars = { open: Float64Array.of(1, 2, 3, 6), close: Float64Array.of(9, 9, 9, 9), closeOnly: false }
    expect([...oracleFeature(bars).values]).toEqual([0.5, 1, 0.5, 0])
    expect([...lastFeature(bars).values]).toEqual([0, 1, 0.5, 1])
    expect(lastFeature(bars).first).toBe(1)
    const closeOnly = { ...bars, closeOnly: true }
    expect([...oracleFeature(closeOnly).values]).toEqual([0, 0, 0, 0])
  })

  it("tell all of the next return, and in the efficient world nothing", () => {
    const steps = Either.getOrThrow(
      simulatedCourses({
        world: worlds.efficient,
        costs: costly,
        variation: noVariation,
        worlds: 1,
        instrumentsPerWorld: 1,
        bars: 3_000,
        timeFrame: TimeFrame.make("1h"),
        startTime: 0,
        features: sequenceFeatures.returns,
        key: ["hindsight"]
      })
    )
    const { bars } = runThrough(steps)[0] as SimulatedCourse
    const next = oracleFeature(bars).values.subarray(1, 2_998)
    const correlation = (values: Float32Array) => {
      const sum = (of: (i: number) => number) => next.reduce((total, _, i) => total + of(i), 0)
      const squares = (column: Float32Array) => sum((i) => (column[i] as number) ** 2)
      return (
        sum((i) => (values[i] as number) * (next[i] as number)) / Math.sqrt(squares(values) * squares(next))
      )
    }
    expect(correlation(next)).toBeCloseTo(1, 6)
    expect(Math.abs(correlation(lastFeature(bars).values.subarray(1, 2_998)))).toBeLessThan(
      4 / Math.sqrt(2_997)
    )
  })

  it("let whoever follows the oracle win, and whoever stays out lose nothing", () => {
    const path = [100, 100, 103, 101, 104, 102]
    const features = oracleFeature(barsOf(path))
    const play = (choose: (feature: number) => number) => {
      const environment = environmentOf([courseOf(steady(path), { features })])
      let profit = 0
      do {
        environment.step(Int32Array.of(choose(environment.observations[0] as number)))
        profit += environment.profitMicro[0] as number
      } while (environment.truncated[0] === 0)
      return profit
    }
    expect(play((next) => (next > 0 ? buy : next < 0 ? sell : hold))).toBeGreaterThan(0)
    expect(play((next) => (next > 0 ? sell : next < 0 ? buy : hold))).toBeLessThan(0)
    expect(play(() => hold)).toBe(0)
  })
})
