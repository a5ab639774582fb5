import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { calibrate, type RangeRule, rangeObserver } from "../../../src/learning/compression/Calibration.ts"
import { CompressionInvalid } from "../../../src/learning/compression/errors.ts"
import { RowRefused, TooFewOutcomes } from "../../../src/learning/errors.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { feedsFor, firstParameters, networkNamed, openModel, servedModel } from "./networks.ts"

const ends: RangeRule = { kind: "least and greatest" }
const share = (of: number): RangeRule => ({ kind: "share", share: of })

/** The difference of two neighbours next to 0. */
const smallestSingle = 2 ** -149

const rangeOver = (batches: ReadonlyArray<ReadonlyArray<number>>, rule: RangeRule) => {
  const observer = rangeObserver()
  for (const batch of batches) Either.getOrThrow(observer.observe("x", Float32Array.from(batch)))
  return Either.getOrThrow(observer.rangeOf("x", rule))
}

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -1_000, max: 1_000 }).map((one) => Math.fround(one / 100))
)
const values = fc.oneof(
  fc.array(value, { minLength: 1, maxLength: 60 }),
  fc.array(
    fc.integer({ min: -1_000, max: 1_000 }).map((one) => Math.fround(one / 100)),
    { minLength: 1, maxLength: 60 }
  )
)
const shares = fc.integer({ min: 10, max: 1_000 }).map((thousandths) => thousandths / 1_000)

describe("the range of an activation", () => {
  it("is from the least to the greatest", () => {
    fc.assert(
      fc.property(values, (all) => {
        expect(rangeOver([all], ends)).toEqual({ low: Math.min(...all), high: Math.max(...all) })
      })
    )
  })

  it("does not depend on the order of the rows, nor on their batches", () => {
    fc.assert(
      fc.property(values, values, shares, (a, b, of) => {
        for (const rule of [ends, share(of)]) {
          const joint = rangeOver([[...a, ...b]], rule)
          expect(rangeOver([a, b], rule)).toEqual(joint)
          expect(rangeOver([b.toReversed(), [], a], rule)).toEqual(joint)
        }
      })
    )
  })

  it("holds at least the share that is asked, and is the middle of the values to a bin", () => {
    fc.assert(
      fc.property(values, shares, (all, of) => {
        const { high, low } = rangeOver([all], share(of))
        const whole = { low: Math.min(...all), high: Math.max(...all) }
        expect(low).toBeGreaterThanOrEqual(whole.low)
        expect(high).toBeLessThanOrEqual(whole.high)
        const inside = all.filter((value) => value >= low && value <= high).length
        expect(inside).toBeGreaterThanOrEqual(of * all.length - 1e-9)
        // No more than a bin beyond the exact quantile, where single precision can tell bins apart.
        const sorted = [...all].sort((x, y) => x - y)
        const out = Math.floor(((1 - of) / 2) * all.length)
        const bin = Math.max((Math.max(...all.map(Math.abs)) * 2) / 2_048, smallestSingle)
        expect(low).toBeGreaterThanOrEqual((sorted[out] as number) - bin)
        expect(high).toBeLessThanOrEqual((sorted[all.length - 1 - out] as number) + bin)
      })
    )
  })

  it("leaves outliers out where a share is asked for", () => {
    const random = keyedRandom("outliers")
    const normal = Array.from({ length: 20_000 }, () => random.normal())
    const { high, low } = rangeOver([[...normal, 1_000]], share(0.99))
    // Normal quantiles of 0.5% and 99.5%, to a bin of 1,024 / 2,048.
    expect(low).toBeGreaterThan(-2.576 - 0.5)
    expect(low).toBeLessThan(-2.4)
    expect(high).toBeGreaterThan(2.4)
    expect(high).toBeLessThan(2.576 + 0.5)
  })

  it("is refused where a value is not finite, where there is none, and for a share that is none", () => {
    const observer = rangeObserver()
    const refused = observer.observe("x", Float32Array.of(1, Number.NaN))
    expect(Either.getOrThrow(Either.flip(refused))).toBeInstanceOf(RowRefused)
    expect(Either.getOrThrow(Either.flip(observer.rangeOf("x", ends)))).toBeInstanceOf(TooFewOutcomes)
    expect(() => rangeOver([[1]], share(0))).toThrow(CompressionInvalid)
    expect(() => rangeOver([[1]], share(1.1))).toThrow(CompressionInvalid)
  })
})

describe("calibration", () => {
  const spec = networkNamed("mlp")
  const model = servedModel(spec, firstParameters(spec, 1))
  const quantisation = { elementsMin: 16 }

  it("finds the range of what every matrix is multiplied by", async () => {
    const feeds = feedsFor(spec, "calibration", 50)
    const ranges = Either.getOrThrow(
      await calibrate(model, [feeds], { open: openModel, rule: ends, quantisation })
    )
    expect([...ranges.keys()]).toEqual(["reshape", "relu", "relu.2"])
    // The first is the input, normalised.
    const normal = (feeds.features?.data ?? []).map((value, i) => {
      const k = i % spec.features
      return (value - 0.1 * k) / (1 + 0.2 * k)
    })
    expect(ranges.get("reshape")?.low).toBeCloseTo(Math.min(...normal), 5)
    expect(ranges.get("reshape")?.high).toBeCloseTo(Math.max(...normal), 5)
    // What was rectified is not below 0.
    expect(ranges.get("relu")?.low).toBe(0)
    expect(ranges.get("relu")?.high).toBeGreaterThan(0)
  })

  it("gives no ranges where a row is no number, or where there are no rows", async () => {
    const feeds = feedsFor(spec, "calibration", 5)
    const broken = Float32Array.from(feeds.features?.data ?? [])
    broken[3] = Number.NaN
    const open = { open: openModel, rule: ends, quantisation }
    const refused = await calibrate(
      model,
      [{ features: { shape: [5, spec.length, spec.features], data: broken } }],
      open
    )
    expect(Either.getOrThrow(Either.flip(refused))).toBeInstanceOf(RowRefused)
    expect(Either.getOrThrow(Either.flip(await calibrate(model, [], open)))).toBeInstanceOf(TooFewOutcomes)
  })
})
