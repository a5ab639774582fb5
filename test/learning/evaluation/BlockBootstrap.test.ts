import { Either } from "effect"
import { describe, expect, it } from "vitest"
import {
  type BootstrapOptions,
  blockLengthFor,
  blocksMin,
  pairedBlockBootstrap,
  wideningFor
} from "../../../src/learning/evaluation/BlockBootstrap.ts"
import { mean } from "../../../src/learning/evaluation/Scoring.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const bootstrap = (candidate: Float64Array, baseline: Float64Array, options: BootstrapOptions) =>
  runThrough(pairedBlockBootstrap(candidate, baseline, options))

const lengthFor = (differences: Float64Array, overlap: number) =>
  runThrough(blockLengthFor(differences, overlap))

/** Differences with a mean, correlated with their neighbours: an AR(1) of unit variance. */
const series = (key: string, count: number, level: number, persistence: number) => {
  const random = keyedRandom("series", key)
  let state = random.normal()
  return Float64Array.from({ length: count }, () => {
    state = persistence * state + Math.sqrt(1 - persistence ** 2) * random.normal()
    return level + state
  })
}

const interval = (
  differences: Float64Array,
  blockLength: number,
  key: ReadonlyArray<string | number> = ["k"]
) =>
  Either.getOrThrow(
    bootstrap(differences, new Float64Array(differences.length), {
      blockLength,
      key,
      resamples: 200
    })
  )

describe("BlockBootstrap", () => {
  it("holds the true difference about as often as it says", () => {
    const covered = (persistence: number, blockLength: number) => {
      let count = 0
      for (let world = 0; world < 200; world++) {
        const { low, high } = interval(
          series(`${persistence} ${world}`, 400, 0.3, persistence),
          blockLength,
          [world]
        )
        if (low <= 0.3 && 0.3 <= high) count++
      }
      return count / 200
    }
    expect(covered(0, 1)).toBeGreaterThan(0.9)
    expect(covered(0, 1)).toBeLessThan(0.99)
    // Neighbours that move together: single draws claim far too much, blocks of them do not.
    expect(covered(0.8, 1)).toBeLessThan(0.6)
    expect(covered(0.8, 20)).toBeGreaterThan(0.82)
  })

  it("excludes zero for a clear difference and includes it for none", () => {
    const better = interval(series("better", 500, -0.5, 0.3), 10)
    expect(better.high).toBeLessThan(0)
    expect(better.low).toBeLessThan(better.mean)
    expect(better.mean).toBeLessThan(better.high)
    const equal = interval(series("equal", 500, 0, 0.3), 10)
    expect(equal.low).toBeLessThan(0)
    expect(equal.high).toBeGreaterThan(0)
  })

  it("pairs the losses: what both share does not widen the interval", () => {
    const shared = series("shared", 300, 0, 0).map((value) => 100 * value)
    const candidate = shared.map((value) => value - 0.1)
    const result = Either.getOrThrow(bootstrap(candidate, shared, { blockLength: 5, key: ["p"] }))
    expect(result.low).toBeCloseTo(-0.1, 9)
    expect(result.high).toBeCloseTo(-0.1, 9)
  })

  it("is centred on the observed mean though the ends are drawn less often", () => {
    const spike = (...at: ReadonlyArray<number>) =>
      Float64Array.from({ length: 100 }, (_, i) => (at.includes(i) ? 100 : 0))
    // Most resamples hold neither end: uncentred, the interval would begin at 0.
    const both = interval(spike(0, 99), 10)
    expect(both.mean).toBe(2)
    expect(both.low).toBeGreaterThan(1.5)
    expect(both.low).toBeLessThan(2)
    expect(both.high).toBeGreaterThan(2)
    // Both are drawn at all.
    expect(interval(spike(0), 10).high).toBeGreaterThan(1)
    expect(interval(spike(99), 10).high).toBeGreaterThan(1)
  })

  it("draws blocks as the definition says, down to the last one cut short", () => {
    const losses = series("definition", 57, 0, 0.5)
    const random = keyedRandom("definition", "block-bootstrap")
    const means = Array.from({ length: 101 }, () => {
      const drawn: Array<number> = []
      while (drawn.length < 57) {
        const start = random.int(57 - 5 + 1)
        drawn.push(...losses.subarray(start, start + 5))
      }
      return mean(drawn.slice(0, 57))
    }).sort((a, b) => a - b)
    const result = Either.getOrThrow(
      bootstrap(losses, new Float64Array(57), {
        blockLength: 5,
        resamples: 101,
        confidence: 0.9,
        key: ["definition"]
      })
    )
    // Student's t over 57 / 5 - 1 degrees of freedom at 95% is 1.804, the normal quantile 1.645.
    const widening = (1.804 / 1.645) * Math.sqrt(11.4 / 10.4)
    expect(result.low).toBeCloseTo(mean(losses) + widening * ((means[5] as number) - mean(means)), 3)
    expect(result.high).toBeCloseTo(mean(losses) + widening * ((means[95] as number) - mean(means)), 3)
    const exact = wideningFor(0.05, 57 / 5)
    expect(exact).toBeCloseTo(widening, 2)
    expect(result.low).toBeCloseTo(mean(losses) + exact * ((means[5] as number) - mean(means)), 12)
    expect(result.high).toBeCloseTo(mean(losses) + exact * ((means[95] as number) - mean(means)), 12)
  })

  it("gives the same interval for the same key", () => {
    const losses = series("same", 200, 0, 0.5)
    expect(interval(losses, 10, ["a"])).toEqual(interval(losses, 10, ["a"]))
    expect(interval(losses, 10, ["a"])).not.toEqual(interval(losses, 10, ["b"]))
  })

  it("widens with the confidence asked for", () => {
    const losses = series("wide", 300, 0, 0)
    const width = (confidence: number) => {
      const options = { blockLength: 5, key: ["w"], confidence }
      const { low, high } = Either.getOrThrow(bootstrap(losses, new Float64Array(300), options))
      return high - low
    }
    expect(width(0.99)).toBeGreaterThan(1.2 * width(0.9))
  })

  it("says nothing about too few losses, unequal numbers of them, or losses that are none", () => {
    const of = (candidate: Float64Array, baseline: Float64Array) =>
      Either.match(bootstrap(candidate, baseline, { blockLength: 5, key: [] }), {
        onLeft: (error) => error.message,
        onRight: () => expect.fail("it gave an interval")
      })
    expect(of(new Float64Array(49), new Float64Array(49))).toBe("49 outcomes are too few: 50 are needed.")
    expect(of(new Float64Array(60), new Float64Array(59))).toContain("baseline has 59 numbers, not 60")
    expect(of(new Float64Array(60).fill(Number.NaN), new Float64Array(60))).toContain("Row 1 is refused")
  })

  it("chooses blocks as long as the dependence asks for, on average", () => {
    const average = (persistence: number) => {
      const lengths = Array.from({ length: 20 }, (_, world) =>
        lengthFor(series(`length ${persistence} ${world}`, 5_000, 0, persistence), 1)
      )
      return mean(lengths)
    }
    // The optimum of an AR(1) is (6 r^2 / (1 - r^2)^2)^(1/3) n^(1/3): 23.7 at 0.5 and 52.9 at 0.8.
    expect(Math.abs(average(0.5) / 23.7 - 1)).toBeLessThan(0.15)
    expect(Math.abs(average(0.8) / 52.9 - 1)).toBeLessThan(0.15)
    expect(average(0)).toBeLessThan(4)
  })

  it("chooses blocks twice the overlap where enough of them are left, and never shorter than it", () => {
    const persistent = series("persistent", 200, 0, 0.98)
    expect(lengthFor(persistent, 1)).toBe(Math.floor(200 / blocksMin))
    expect(lengthFor(persistent, 96)).toBe(96)
    expect(lengthFor(series("free", 1_000, 0, 0), 24)).toBe(48)
    expect(lengthFor(series("free", 400, 0, 0), 24)).toBe(40)
    expect(lengthFor(series("free", 200, 0, 0), 24)).toBe(24)
    expect(lengthFor(new Float64Array(80).fill(0.5), 3)).toBe(6)
    expect(lengthFor(new Float64Array(3), 1)).toBe(1)
    expect(() => lengthFor(persistent, 0)).toThrow("overlap is 0")
  })

  it("holds the true difference with the blocks that it chooses", () => {
    let count = 0
    for (let world = 0; world < 200; world++) {
      const differences = series(`chosen ${world}`, 400, 0.3, 0.8)
      const { low, high } = interval(differences, lengthFor(differences, 1), [world])
      if (low <= 0.3 && 0.3 <= high) count++
    }
    expect(count / 200).toBeGreaterThan(0.86)
  })

  it("holds the true difference of outcomes whose horizons overlap", () => {
    let count = 0
    for (let world = 0; world < 200; world++) {
      const random = keyedRandom("overlap", world)
      const steps = Float64Array.from({ length: 523 }, () => random.normal())
      const differences = Float64Array.from({ length: 500 }, (_, i) => mean(steps.subarray(i, i + 24)))
      const { low, high } = interval(differences, lengthFor(differences, 24), [world])
      if (low <= 0 && 0 <= high) count++
    }
    expect(count / 200).toBeGreaterThan(0.88)
  })

  it("widens the interval as Student's t does where it rests on few blocks", () => {
    const student = [
      [10, 2.262],
      [11, 2.228],
      [31, 2.042],
      [121, 1.98]
    ] as const
    for (const [blocks, t] of student) {
      const expected = (t / 1.96) * Math.sqrt(blocks / (blocks - 1))
      expect(Math.abs(wideningFor(0.025, blocks) - expected)).toBeLessThan(0.002)
    }
    expect(wideningFor(0.025, 1e6)).toBeCloseTo(1, 5)
  })

  it("gives the same interval whoever runs it and however often it pauses", () => {
    const losses = series("paused", 20_000, 0, 0)
    const steps = pairedBlockBootstrap(losses, new Float64Array(20_000), {
      blockLength: 1,
      key: ["p"],
      resamples: 20
    })
    let pauses = 0
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) pauses++
    expect(pauses).toBeGreaterThan(3)
    expect(step.value).toEqual(
      bootstrap(losses, new Float64Array(20_000), { blockLength: 1, key: ["p"], resamples: 20 })
    )
  })

  it("throws at options that no program should give", () => {
    const losses = new Float64Array(100)
    const given = (options: Partial<BootstrapOptions>) => () =>
      bootstrap(losses, losses, { blockLength: 5, key: [], ...options })
    expect(given({ blockLength: 0 })).toThrow("block length is 0")
    expect(given({ blockLength: 2.5 })).toThrow("block length is 2.5")
    expect(given({ resamples: 0 })).toThrow("number of resamples is 0")
    expect(given({ confidence: 1 })).toThrow("confidence is 1")
  })
})
