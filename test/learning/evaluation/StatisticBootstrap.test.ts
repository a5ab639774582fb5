import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import {
  type BootstrapOptions,
  pairedBlockBootstrap
} from "../../../src/learning/evaluation/BlockBootstrap.ts"
import { mean } from "../../../src/learning/evaluation/Scoring.ts"
import { bootstrapStatistics } from "../../../src/learning/evaluation/StatisticBootstrap.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const series = (key: string, count: number, level: number, persistence = 0) => {
  const random = keyedRandom("statistic", key)
  let state = random.normal()
  return Float64Array.from({ length: count }, () => {
    state = persistence * state + Math.sqrt(1 - persistence ** 2) * random.normal()
    return level + state
  })
}

const ratioOf = (values: ReadonlyArray<number>) => {
  const level = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - level) ** 2, 0)
  return level / Math.sqrt(squares / (values.length - 1))
}

const at = (values: Float64Array, positions: Uint32Array) => Array.from(positions, (i) => values[i] as number)

const bootstrap = (
  rows: number,
  statistics: (positions: Uint32Array) => ReadonlyArray<number>,
  options: BootstrapOptions
) => runThrough(bootstrapStatistics(rows, statistics, options))

describe("bootstrapStatistics", () => {
  it("draws of a mean what the paired bootstrap draws of it", () => {
    const values = series("mean", 203, 0.2, 0.5)
    const options = { blockLength: 7, resamples: 300, confidence: 0.9, key: ["same"] }
    const [found] = Either.getOrThrow(bootstrap(203, (positions) => [mean(at(values, positions))], options))
    const paired = Either.getOrThrow(runThrough(pairedBlockBootstrap(values, new Float64Array(203), options)))
    expect(found?.low).toBeCloseTo(paired.low, 12)
    expect(found?.high).toBeCloseTo(paired.high, 12)
  })

  it("holds a true Sharpe ratio about as often as it says", () => {
    const worlds = 200
    let held = 0
    for (let world = 0; world < worlds; world++) {
      const values = series(`ratio ${world}`, 300, 0.15)
      const [found] = Either.getOrThrow(
        bootstrap(300, (positions) => [ratioOf(at(values, positions))], {
          blockLength: 1,
          resamples: 200,
          key: [world]
        })
      )
      if (found && found.low <= 0.15 && 0.15 <= found.high) held++
    }
    expect(held / worlds).toBeGreaterThan(0.9)
    expect(held / worlds).toBeLessThan(0.99)
  })

  it("gives neighbours as blocks, as many positions as there are rows, the rows themselves first", () => {
    const seen: Array<ReadonlyArray<number>> = []
    const options = { blockLength: 4, resamples: 20, key: ["blocks"] }
    Either.getOrThrow(
      bootstrap(
        42,
        (positions) => {
          seen.push([...positions])
          return [0]
        },
        options
      )
    )
    expect(seen.length).toBe(21)
    expect(seen[0]).toEqual(Array.from({ length: 42 }, (_, i) => i))
    for (const positions of seen) {
      expect(positions.length).toBe(42)
      for (let i = 0; i < 42; i++) {
        const position = positions[i] as number
        expect(position).toBeLessThan(42)
        if (i % 4 !== 0) expect(position).toBe((positions[i - 1] as number) + 1)
      }
    }
  })

  it("has no interval for a statistic that one resample does not have", () => {
    const options = { blockLength: 1, resamples: 50, key: ["none"] }
    let calls = 0
    const [first, second, third] = Either.getOrThrow(
      bootstrap(
        20,
        (positions) => [positions[0] as number, calls++ === 30 ? Number.NaN : 1, Number.POSITIVE_INFINITY],
        options
      )
    )
    expect(first).not.toBeNull()
    expect(second).toBeNull()
    expect(third).toBeNull()
  })

  it("refuses too few rows, and options that are none", () => {
    const options = { blockLength: 5, key: [] }
    expect(refusalOf(bootstrap(49, () => [1], options))).toBe("49 outcomes are too few: 50 are needed.")
    expect(() => bootstrap(50, () => [1], { ...options, confidence: 1 })).toThrow("confidence is 1")
    expect(() => bootstrap(50, () => [1], { ...options, resamples: 0 })).toThrow("resamples is 0")
  })
})
