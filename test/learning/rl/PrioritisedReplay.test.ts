import { describe, expect, it } from "@effect/vitest"
import { makePrioritisedReplay } from "../../../src/learning/rl/PrioritisedReplay.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const memoryOf = (capacity: number, exponent: number, count: number) => {
  const memory = makePrioritisedReplay({ capacity, observations: 2, exponent })
  for (let i = 0; i < count; i++) {
    memory.add(Float32Array.of(9, i, -i), 1, i % 3, i / 2, Float32Array.of(i + 1, -i - 1), 0, 0.5)
  }
  return memory
}

/** Every slot once, in order. */
const all = (count: number) => ({
  slots: Int32Array.from({ length: count }, (_, i) => i),
  generations: new Int32Array(count).fill(1),
  weights: new Float32Array(count)
})

describe("prioritised replay", () => {
  it("keeps the latest transitions, each as it was given", () => {
    const memory = memoryOf(4, 0.6, 6)
    expect(memory.size()).toBe(4)
    // The fifth and sixth have taken the places of the first and second.
    expect([...memory.observations]).toEqual([4, -4, 5, -5, 2, -2, 3, -3])
    expect([...memory.nextObservations]).toEqual([5, -5, 6, -6, 3, -3, 4, -4])
    expect([...memory.actions]).toEqual([1, 2, 2, 0])
    expect([...memory.gains]).toEqual([2, 2.5, 1, 1.5])
  })

  it("draws in proportion to the errors, to the power of the exponent", () => {
    const memory = memoryOf(4, 0.5, 4)
    memory.learned(all(4), [1, -4, 9, 16])
    const counts = [0, 0, 0, 0]
    const random = keyedRandom("draws")
    const draws = 20_000
    for (const slot of memory.draw(draws / 10, 10, 1, random).slots)
      counts[slot] = (counts[slot] as number) + 1
    counts.forEach((count, i) => {
      expect(count / draws).toBeCloseTo((i + 1) / 10, 2)
    })
  })

  it("weighs what it draws by Schaul's formula, relative to the batch's largest", () => {
    const memory = memoryOf(4, 1, 4)
    memory.learned(all(4), [1, 2, 3, 4])
    const { slots, weights } = memory.draw(3, 8, 0.5, keyedRandom("weights"))
    for (let batch = 0; batch < 3; batch++) {
      const rows = Array.from({ length: 8 }, (_, i) => 8 * batch + i)
      const raw = rows.map((i) => ((4 * ((slots[i] as number) + 1)) / 10) ** -0.5)
      rows.forEach((i, k) => {
        expect(weights[i]).toBeCloseTo((raw[k] as number) / Math.max(...raw), 5)
      })
    }
  })

  it("draws each share of a batch from its own share of the mass", () => {
    const { slots } = memoryOf(8, 0, 8).draw(50, 8, 1, keyedRandom("strata"))
    for (let batch = 0; batch < 50; batch++) {
      expect([...slots.subarray(8 * batch, 8 * batch + 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    }
  })

  it("gives what is new the largest priority that there was", () => {
    const memory = memoryOf(4, 1, 3)
    memory.learned(all(3), [0, 5, 0])
    memory.add(new Float32Array(2), 0, 0, 0, new Float32Array(2), 0, 0)
    const { slots } = memory.draw(1_000, 2, 1, keyedRandom("new"))
    const share = slots.filter((slot) => slot === 3).length / slots.length
    expect(share).toBeCloseTo(0.5, 1)
    expect([...new Set(slots)].sort()).toEqual([1, 3])
  })

  it("does not give an error to a transition that has taken the slot since", () => {
    const memory = memoryOf(2, 1, 2)
    const drawn = memory.draw(1, 2, 1, keyedRandom("late"))
    expect([...drawn.slots]).toEqual([0, 1])
    memory.add(new Float32Array(2), 0, 0, 0, new Float32Array(2), 0, 0)
    memory.learned(drawn, [1e6, 1])
    const { slots } = memory.draw(500, 2, 1, keyedRandom("after"))
    expect(slots.filter((slot) => slot === 0).length / slots.length).toBeCloseTo(0.5, 1)
  })

  it("draws the same by the same stream, and nothing from an empty memory", () => {
    const drawn = () => memoryOf(16, 0.6, 16).draw(4, 4, 0.4, keyedRandom("same"))
    expect(drawn()).toEqual(drawn())
    expect(() => memoryOf(4, 0.6, 0).draw(1, 1, 1, keyedRandom("none"))).toThrow("an empty memory")
  })
})
