import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { type KeyedRandom, keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const key = fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 5 })
const draws = (random: KeyedRandom, count: number) => Array.from({ length: count }, () => random.next())

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
const variance = (values: ReadonlyArray<number>) => {
  const middle = mean(values)
  return mean(values.map((value) => (value - middle) ** 2))
}

describe("KeyedRandom", () => {
  it("gives the same stream for the same key", () => {
    fc.assert(
      fc.property(key, (parts) => {
        expect(draws(keyedRandom(...parts), 20)).toEqual(draws(keyedRandom(...parts), 20))
      })
    )
  })

  it("gives other streams for other keys, also where they look alike", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const isSame = JSON.stringify(a) === JSON.stringify(b)
        expect(
          JSON.stringify(draws(keyedRandom(...a), 4)) === JSON.stringify(draws(keyedRandom(...b), 4))
        ).toBe(isSame)
      })
    )
    const alike = [["a", 1], ["a", "1"], ["a1"], ["a,1"], ["a", 1, ""], ["", "a", 1], [1, "a"], []]
    const first = alike.map((parts) => keyedRandom(...parts).next())
    expect(new Set(first).size).toBe(alike.length)
  })

  it("gives a stream that does not depend on what is drawn from others, or when", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 60 }), (order) => {
        const names = ["a", "b", "c"]
        const streams = names.map((name) => keyedRandom("interleaved", name))
        const drawn: ReadonlyArray<Array<number>> = [[], [], []]
        for (const which of order) drawn[which]?.push((streams[which] as KeyedRandom).next())
        names.forEach((name, i) => {
          expect(drawn[i]).toEqual(
            draws(keyedRandom("interleaved", name), (drawn[i] as Array<number>).length)
          )
        })
      })
    )
  })

  it("gives on every machine and in every version what it has always given", () => {
    expect(draws(keyedRandom("seed", 1, "binance:BTCUSDT:perp"), 4)).toEqual([
      0.5289862702342144, 0.36941610074822806, 0.7054088180323769, 0.4793004303764178
    ])
    const normals = keyedRandom("normal")
    expect([normals.normal(), normals.normal(), normals.normal()]).toEqual([
      -0.7601537547332333, 0.7245169932748332, -0.7467014066131834
    ])
  })

  it("draws uniformly from [0, 1)", () => {
    const values = draws(keyedRandom("uniform"), 20_000)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...values)).toBeLessThan(1)
    const counts = new Array<number>(20).fill(0)
    for (const value of values)
      counts[Math.floor(value * 20)] = (counts[Math.floor(value * 20)] as number) + 1
    // Chi-squared with 19 degrees of freedom: 43.8 is passed once in a thousand keys.
    expect(counts.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0)).toBeLessThan(43.8)
  })

  it("draws neighbouring keys independently of each other", () => {
    const first = Array.from({ length: 5_000 }, (_, i) => keyedRandom("bar", i).next())
    const middle = mean(first)
    const lagged = mean(first.slice(1).map((value, i) => (value - middle) * ((first[i] as number) - middle)))
    expect(Math.abs(lagged / variance(first))).toBeLessThan(4 / Math.sqrt(5_000))
    expect(Math.abs(middle - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 5_000))
  })

  it("draws integers below their bound, each of them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer(), (bound, seed) => {
        const random = keyedRandom("int", seed)
        for (let i = 0; i < 50; i++) {
          const value = random.int(bound)
          expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true)
        }
      })
    )
    const random = keyedRandom("dice")
    expect(new Set(Array.from({ length: 200 }, () => random.int(6)))).toEqual(new Set([0, 1, 2, 3, 4, 5]))
  })

  it("draws normal and Student variables of mean 0 and variance 1, all finite", () => {
    const count = 40_000
    const random = keyedRandom("moments")
    for (const draw of [random.normal, () => random.studentT(8)]) {
      const values = Array.from({ length: count }, draw)
      expect(values.every(Number.isFinite)).toBe(true)
      expect(Math.abs(mean(values))).toBeLessThan(4 / Math.sqrt(count))
      expect(Math.abs(variance(values) - 1)).toBeLessThan(0.06)
    }
  })

  it("gives Student variables heavier tails than normal ones", () => {
    const beyond = (draw: () => number) =>
      Array.from({ length: 40_000 }, draw).filter((value) => Math.abs(value) > 4).length
    const random = keyedRandom("tails")
    expect(beyond(() => random.studentT(4))).toBeGreaterThan(5 * beyond(random.normal))
  })
})
