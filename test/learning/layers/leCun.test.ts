import { describe, expect, it } from "@effect/vitest"
import { cutNormal, leCun } from "../../../src/learning/layers/leCun.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const draws = 100_000

const momentsOf = (draw: (index: number) => number) => {
  const values = Array.from({ length: draws }, (_, i) => draw(i))
  const mean = values.reduce((sum, value) => sum + value, 0) / draws
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws
  return { mean, deviation: Math.sqrt(variance), most: Math.max(...values.map(Math.abs)) }
}

describe("first values", () => {
  it("are normal with the deviation asked for after they are cut off", () => {
    const { deviation, mean, most } = momentsOf(cutNormal(1)(keyedRandom("cut"), []))
    expect(mean).toBeCloseTo(0, 2)
    expect(deviation).toBeCloseTo(1, 2)
    expect(most).toBeLessThan(2 / 0.8796)
    expect(most).toBeGreaterThan(2.2)
  })

  it("of a linear layer have the variance of one over its inputs", () => {
    expect(momentsOf(leCun(64)(keyedRandom("lecun"), [])).deviation).toBeCloseTo(1 / 8, 3)
  })
})
