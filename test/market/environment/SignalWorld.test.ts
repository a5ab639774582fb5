import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import {
  oneStepPolicy,
  policyGrowth,
  policyIndex,
  type SignalPolicy,
  signalOptimum,
  signPolicy
} from "../../../src/market/environment/SignalOptimum.ts"
import {
  checkSignalWorld,
  costlySignal,
  type SignalWorld,
  signalChain,
  signalCourse,
  signalFeatureNames
} from "../../../src/market/environment/SignalWorld.ts"
import { buy, hold, sell } from "../../../src/market/environment/TradingEnvironments.ts"
import { environmentOf } from "./arbitraries.ts"

const courseOf = (bars: number, key: ReadonlyArray<string | number>, world = costlySignal) =>
  Either.getOrThrow(signalCourse(world, { bars, key }))

describe("the chain of the signal", () => {
  it("has rows that are distributions, keeps its long-run one, and the autocorrelation that it is given", () => {
    for (const persistence of [0, 0.5, 0.9, 0.99]) {
      const { signal, stationary, transitions } = signalChain({ ...costlySignal, persistence })
      const levels = signal.length
      const row = (k: number) => [...transitions.subarray(k * levels, (k + 1) * levels)]
      for (let k = 0; k < levels; k++) {
        expect(row(k).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
        expect(row(k).every((p) => p >= 0)).toBe(true)
        const mean = row(k).reduce((sum, p, j) => sum + p * (signal[j] as number), 0)
        expect(mean).toBeCloseTo(persistence * (signal[k] as number), 12)
        const flow = stationary.reduce(
          (sum, share, i) => sum + share * (transitions[i * levels + k] as number),
          0
        )
        expect(flow).toBeCloseTo(stationary[k] as number, 12)
      }
      expect(stationary.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
      expect([signal[0], signal[levels - 1]]).toEqual([-1, 1])
    }
  })
})

/** The best growth of all policies that answer to the level and the position: small worlds only. */
const bestByTrying = (world: SignalWorld): number => {
  const states = world.levels * 3
  let best = Number.NEGATIVE_INFINITY
  for (let code = 0; code < 3 ** states; code++) {
    const policy = Int8Array.from({ length: states }, (_, i) => (Math.floor(code / 3 ** i) % 3) - 1)
    best = Math.max(best, policyGrowth(world, policy))
  }
  return best
}

describe("the optimum", () => {
  it("is the best of all policies in a world small enough to try them", () => {
    for (const edge of [4e-4, 2e-3]) {
      const world: SignalWorld = { ...costlySignal, levels: 2, persistence: 0.7, edge }
      expect(signalOptimum(world).growth).toBeCloseTo(bestByTrying(world), 12)
    }
  })

  it("has a zone where nothing is traded, and is symmetric", () => {
    const { policy } = signalOptimum(costlySignal)
    for (let level = 0; level < costlySignal.levels; level++) {
      for (const position of [-1, 0, 1]) {
        const mirrored = policy[policyIndex(costlySignal.levels - 1 - level, -position)] as number
        expect((policy[policyIndex(level, position)] as number) + mirrored).toBe(0)
      }
    }
    const kept = [3, 4].flatMap((level) => [-1, 0, 1].map((position) => policy[policyIndex(level, position)]))
    expect(kept).toEqual([-1, 0, 1, -1, 0, 1])
    expect(policy[policyIndex(0, 1)]).toBe(-1)
  })

  it("is far above what looking one step ahead earns: under 60% of it, with costs counted or not", () => {
    const optimum = signalOptimum(costlySignal).growth
    const sign = policyGrowth(costlySignal, signPolicy(costlySignal))
    const oneStep = policyGrowth(costlySignal, oneStepPolicy(costlySignal))
    expect(optimum).toBeGreaterThan(0)
    expect(sign).toBeGreaterThan(0)
    expect(sign).toBeLessThan(0.6 * optimum)
    expect(oneStep).toBe(0)
  })

  it("is the sign of the signal where trading costs nothing", () => {
    const world = { ...costlySignal, costs: { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 } }
    const { growth, policy } = signalOptimum(world)
    expect([...policy]).toEqual([...signPolicy(world)])
    expect([...policy]).toEqual([...oneStepPolicy(world)])
    expect(growth).toBeCloseTo(policyGrowth(world, signPolicy(world)), 15)
  })
})

describe("a course of the signal", () => {
  it("moves by the signal of the bar before, whose levels come as often as they should", () => {
    const bars = 40_000
    const course = courseOf(bars, ["moves"])
    const size = signalFeatureNames.length
    const { signal, stationary } = signalChain(costlySignal)
    const sums = new Float64Array(signal.length)
    const counts = new Float64Array(signal.length)
    for (let bar = 0; bar + 1 < bars; bar++) {
      const level = signal.findIndex((value) => Math.fround(value) === course.features[bar * size])
      sums[level] =
        (sums[level] as number) +
        (course.markTicks[bar + 1] as number) / (course.markTicks[bar] as number) -
        1
      counts[level] = (counts[level] as number) + 1
    }
    for (let level = 0; level < signal.length; level++) {
      const count = counts[level] as number
      const mean = (sums[level] as number) / count
      const error = costlySignal.noise / Math.sqrt(count)
      expect(Math.abs(mean - costlySignal.edge * (signal[level] as number))).toBeLessThan(4 * error)
      expect(count / bars).toBeCloseTo(stationary[level] as number, 1)
    }
  })

  it("has ten features of one scale, of which only the signal tells what follows", () => {
    const bars = 20_000
    const course = courseOf(bars, ["features"])
    expect(course.featureNames.length).toBe(10)
    for (let column = 0; column < 10; column++) {
      let [sum, squares] = [0, 0]
      for (let bar = 10; bar < bars; bar++) {
        const value = course.features[bar * 10 + column] as number
        sum += value
        squares += value * value
      }
      const deviation = Math.sqrt(squares / (bars - 10) - (sum / (bars - 10)) ** 2)
      expect(deviation).toBeGreaterThan(0.3)
      expect(deviation).toBeLessThan(1.7)
    }
  })

  it("is the same for the same key, as far as it goes, and another for another", () => {
    const [long, short, other] = [courseOf(300, ["a"]), courseOf(200, ["a"]), courseOf(200, ["b"])]
    expect(long.markTicks.slice(0, 200)).toEqual(short.markTicks)
    expect(long.features.slice(0, 2_000)).toEqual(short.features)
    expect(other.markTicks).not.toEqual(short.markTicks)
  })

  it("opens where the bar before closed", () => {
    const free = { ...costlySignal, costs: { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 } }
    const course = courseOf(50, ["opens"], free)
    expect(course.buyTicks.slice(1)).toEqual(course.markTicks.slice(0, -1))
  })

  it("is refused of a world that contradicts itself", () => {
    const reasonOf = (change: Partial<SignalWorld>) =>
      Either.getOrThrow(Either.flip(checkSignalWorld({ ...costlySignal, ...change }))).message
    expect(reasonOf({ levels: 7 })).toContain("7 levels")
    expect(reasonOf({ levels: 0 })).toContain("0 levels")
    expect(reasonOf({ persistence: 1 })).toContain("persistence 1")
    expect(reasonOf({ persistence: Number.NaN })).toContain("NaN")
    expect(reasonOf({ edge: 0.2 })).toContain("0.2")
    expect(reasonOf({ noise: -1 })).toContain("-1")
    expect(reasonOf({ costs: { feeBps: 5_000, halfSpreadBps: 0, slippageBps: 0 } })).toContain("0.5")
    expect(Either.isLeft(signalCourse({ ...costlySignal, levels: 3 }, { bars: 100, key: [] }))).toBe(true)
    expect(Either.isLeft(signalCourse(costlySignal, { bars: 4, key: [] }))).toBe(true)
  })
})

describe("policies in the environment", () => {
  const rows = 64
  const bars = 2_001

  /** Mean growth per step of a policy that sees what a learner sees, and its standard error over the rows. */
  const rollOut = (policy: SignalPolicy) => {
    const courses = Array.from({ length: rows }, (_, row) => courseOf(bars, ["rollout", row]))
    const environment = environmentOf(courses, { environments: rows })
    const { size } = environment.observationSpace
    const { levels } = costlySignal
    const actions = new Int32Array(rows)
    const grown = new Float64Array(rows)
    for (let t = 0; t + 1 < bars; t++) {
      for (let row = 0; row < rows; row++) {
        const level = Math.round((((environment.observations[row * size] as number) + 1) * (levels - 1)) / 2)
        const position = Math.sign(environment.observations[row * size + size - 2] as number)
        const target = policy[policyIndex(level, position)] as number
        if (target === 0) expect(position).toBe(0)
        actions[row] = target === 0 ? hold : target > 0 ? buy : sell
      }
      environment.step(actions)
      for (let row = 0; row < rows; row++)
        grown[row] = (grown[row] as number) + (environment.rewards[row] as number)
    }
    expect([...environment.truncated]).toEqual(Array(rows).fill(1))
    const means = grown.map((sum) => sum / (bars - 1))
    const mean = means.reduce((sum, value) => sum + value, 0) / rows
    const variance = means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (rows - 1)
    return { mean, error: Math.sqrt(variance / rows) }
  }

  it("earn what the dynamic programme says, within three standard errors", () => {
    for (const policy of [signalOptimum(costlySignal).policy, signPolicy(costlySignal)]) {
      const expected = policyGrowth(costlySignal, policy)
      const { error, mean } = rollOut(policy)
      // Narrow enough to tell the two apart.
      expect(error).toBeLessThan(0.05 * signalOptimum(costlySignal).growth)
      expect(Math.abs(mean - expected)).toBeLessThan(3 * error)
    }
  })
})
