import { describe, expect, it } from "@effect/vitest"
import { EnvironmentInvalid } from "../../../src/learning/errors.ts"
import { cartPole } from "../../../src/learning/rl/CartPole.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

type State = readonly [x: number, v: number, angle: number, spin: number]

/**
 * Barto, Sutton and Anderson's equations as published, without friction: the angular acceleration in one fraction, the
 * cart's after it.
 */
const physics = ([x, v, angle, spin]: State, force: number): State => {
  const [g, cart, pole, half, dt] = [9.8, 1.0, 0.1, 0.5, 0.02]
  const mass = cart + pole
  const inner = (-force - pole * half * spin * spin * Math.sin(angle)) / mass
  const angular =
    (g * Math.sin(angle) + Math.cos(angle) * inner) /
    (half * (4 / 3 - (pole * Math.cos(angle) * Math.cos(angle)) / mass))
  const linear = (force + pole * half * (spin * spin * Math.sin(angle) - angular * Math.cos(angle))) / mass
  return [x + dt * v, v + dt * linear, angle + dt * spin, spin + dt * angular]
}

const stateOf = (observations: Float32Array, row: number): State =>
  [...observations.subarray(4 * row, 4 * row + 4)] as unknown as State

describe("CartPole", () => {
  it("moves as the published equations say, and ends where they leave the bounds", () => {
    const environment = cartPole(8, ["physics"])
    const random = keyedRandom("actions")
    environment.reset()
    let ends = 0
    for (let step = 0; step < 300; step++) {
      const before = Array.from({ length: 8 }, (_, row) => stateOf(environment.observations, row))
      const actions = Int32Array.from({ length: 8 }, () => random.int(2))
      environment.step(actions)
      before.forEach((state, row) => {
        const expected = physics(state, actions[row] === 1 ? 10 : -10)
        const isDown = Math.abs(expected[0]) > 2.4 || Math.abs(expected[2]) > (12 * Math.PI) / 180
        expect(environment.rewards[row]).toBe(1)
        expect(environment.terminated[row]).toBe(Number(isDown))
        ends += Number(isDown)
        const from = isDown ? environment.finalObservations : environment.observations
        stateOf(from, row).forEach((value, k) => {
          // What it was computed from had been rounded to float32.
          expect(value).toBeCloseTo(expected[k] as number, 5)
        })
      })
    }
    expect(ends).toBeGreaterThan(50)
  })

  it("begins anew in the same step, within 0.05 of the middle", () => {
    const environment = cartPole(4, ["reset"])
    environment.reset()
    expect(environment.observations.every((value) => Math.abs(value) <= 0.05)).toBe(true)
    const actions = new Int32Array(4)
    for (let step = 0; step < 50; step++) {
      environment.step(actions)
      for (let row = 0; row < 4; row++) {
        if (environment.terminated[row] === 0) continue
        expect(stateOf(environment.observations, row).every((value) => Math.abs(value) <= 0.05)).toBe(true)
        expect(Math.abs(stateOf(environment.finalObservations, row)[2])).toBeGreaterThan(0.2)
      }
    }
  })

  it("cuts an episode off after 500 steps, which is no termination", () => {
    const environment = cartPole(2, ["balance"])
    environment.reset()
    const actions = new Int32Array(2)
    for (let step = 1; step <= 500; step++) {
      for (let row = 0; row < 2; row++) {
        const [x, v, angle, spin] = stateOf(environment.observations, row)
        actions[row] = Number(0.1 * x + 0.3 * v + 3 * angle + spin > 0)
      }
      environment.step(actions)
      expect([...environment.terminated]).toEqual([0, 0])
      expect([...environment.truncated]).toEqual(step === 500 ? [1, 1] : [0, 0])
    }
    expect(stateOf(environment.finalObservations, 0)).not.toEqual(stateOf(environment.observations, 0))
  })

  it("is the same for the same key, row by row, and another for another", () => {
    const course = (key: string, rows: number) => {
      const environment = cartPole(rows, [key])
      environment.reset()
      const seen: Array<number> = []
      for (let step = 0; step < 60; step++) {
        environment.step(new Int32Array(rows).fill(step % 2))
        seen.push(...stateOf(environment.observations, 0))
      }
      return seen
    }
    expect(course("a", 1)).toEqual(course("a", 3))
    expect(course("a", 1)).not.toEqual(course("b", 1))
  })

  it("refuses an action that there is not, before any row has moved", () => {
    const environment = cartPole(2, ["refused"])
    environment.reset()
    const before = environment.observations.slice()
    expect(() => environment.step(Int32Array.of(0, 2))).toThrow(EnvironmentInvalid)
    expect(environment.observations).toEqual(before)
  })
})
