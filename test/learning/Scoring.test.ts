import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Scoring from "../../src/learning/Scoring.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

const distribution = fc
  .array(fc.double({ noNaN: true, min: 0.001, max: 1 }), { minLength: 3, maxLength: 3 })
  .map((weights) => weights.map((weight) => weight / weights.reduce((sum, one) => sum + one, 0)))

const expected = (rule: typeof Scoring.logLoss, truth: ReadonlyArray<number>, told: ReadonlyArray<number>) =>
  truth.reduce((sum, p, label) => sum + p * rule(told, label), 0)

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
    Scoring.pairedBlockBootstrap(differences, new Float64Array(differences.length), {
      blockLength,
      key,
      resamples: 200
    })
  )

describe("Scoring", () => {
  it("gives the losses of the books", () => {
    expect(Scoring.logLoss([0.2, 0.3, 0.5], 2)).toBeCloseTo(Math.LN2, 12)
    expect(Scoring.brier([0.2, 0.3, 0.5], 2)).toBeCloseTo(0.04 + 0.09 + 0.25, 12)
    expect(Scoring.brier([1, 0, 0], 0)).toBe(0)
    expect(Scoring.brier([1, 0, 0], 1)).toBe(2)
    expect(Scoring.mean([1, 2, 6])).toBe(3)
  })

  it("rewards nobody for saying anything but what they believe", () => {
    for (const rule of [Scoring.logLoss, Scoring.brier]) {
      fc.assert(
        fc.property(distribution, distribution, (truth, told) => {
          expect(expected(rule, truth, told)).toBeGreaterThanOrEqual(expected(rule, truth, truth) - 1e-12)
        })
      )
    }
  })

  it("charges a finite price for being certain and wrong", () => {
    expect(Scoring.logLoss([1, 0, 0], 2)).toBe(-Math.log(Scoring.probabilityFloor))
    expect(Math.abs(Scoring.logLoss([1, 0, 0], 0))).toBe(0)
  })

  it("judges directions only where there are two", () => {
    expect(Scoring.directionalAccuracy([1, -2, 3, 0, 1, -1], [0.1, -0.1, -0.1, 1, 0, -5])).toEqual({
      judged: 4,
      correct: 3
    })
    expect(Scoring.directionalAccuracy([], [])).toEqual({ judged: 0, correct: 0 })
  })

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
    const result = Either.getOrThrow(
      Scoring.pairedBlockBootstrap(candidate, shared, { blockLength: 5, key: ["p"] })
    )
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
      return Scoring.mean(drawn.slice(0, 57))
    }).sort((a, b) => a - b)
    const shift = Scoring.mean(losses) - Scoring.mean(means)
    const result = Either.getOrThrow(
      Scoring.pairedBlockBootstrap(losses, new Float64Array(57), {
        blockLength: 5,
        resamples: 101,
        confidence: 0.9,
        key: ["definition"]
      })
    )
    expect(result.low).toBeCloseTo((means[5] as number) + shift, 12)
    expect(result.high).toBeCloseTo((means[95] as number) + shift, 12)
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
      const { low, high } = Either.getOrThrow(
        Scoring.pairedBlockBootstrap(losses, new Float64Array(300), options)
      )
      return high - low
    }
    expect(width(0.99)).toBeGreaterThan(1.2 * width(0.9))
  })

  it("says nothing about too few losses, unequal numbers of them, or losses that are none", () => {
    const of = (candidate: Float64Array, baseline: Float64Array) =>
      Either.match(Scoring.pairedBlockBootstrap(candidate, baseline, { blockLength: 5, key: [] }), {
        onLeft: (error) => error.message,
        onRight: () => expect.fail("it gave an interval")
      })
    expect(of(new Float64Array(49), new Float64Array(49))).toBe("49 outcomes are too few: 50 are needed.")
    expect(of(new Float64Array(60), new Float64Array(59))).toContain("has 59 losses")
    expect(of(new Float64Array(60).fill(Number.NaN), new Float64Array(60))).toContain("Row 1 is refused")
  })
})
