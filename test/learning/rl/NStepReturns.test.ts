import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makeNStepReturns } from "../../../src/learning/rl/NStepReturns.ts"
import { vectorOf } from "./environments.ts"

interface Transition {
  readonly at: number
  readonly action: number
  readonly gain: number
  readonly next: number
  readonly discount: number
}

/** Rewards and ends of one row's steps; its observation is the number of the step, and a half after an end. */
type Script = ReadonlyArray<readonly [reward: number, end: "no" | "terminated" | "truncated"]>

const discount = 0.5

/** Straight from the definition. */
const expectedOf = (script: Script, steps: number): ReadonlyArray<Transition> =>
  script.flatMap(([,], t) => {
    let gain = 0
    for (let k = 0; k < steps; k++) {
      const step = script[t + k]
      // The script is over before the transition is whole.
      if (step === undefined) return []
      const [reward, end] = step
      gain += discount ** k * reward
      if (end === "no" && k < steps - 1) continue
      const isOver = end !== "no"
      return [
        {
          at: t,
          action: t % 3,
          gain,
          next: t + k + 1 + (isOver ? 0.5 : 0),
          discount: end === "terminated" ? 0 : discount ** (k + 1)
        }
      ]
    }
    return []
  })

const transitionsOf = (
  scripts: ReadonlyArray<Script>,
  steps: number
): ReadonlyArray<ReadonlyArray<Transition>> => {
  const length = scripts[0]?.length ?? 0
  const environment = vectorOf(scripts.length, {
    size: 1,
    actionSpace: { kind: "discrete", actions: 3 },
    row: (row) => {
      let t = 0
      return {
        reset: (out) => {
          out[0] = t
        },
        step: (_, out) => {
          const [reward, end] = (scripts[row] as Script)[t] as Script[number]
          t++
          out[0] = end === "no" ? t : t + 0.5
          return { reward, terminated: end === "terminated", truncated: end === "truncated" }
        }
      }
    }
  })
  const taken = scripts.map((): Array<Transition> => [])
  let row = 0
  const returns = makeNStepReturns({
    environments: scripts.length,
    observations: 1,
    steps,
    discount,
    take: (observations, at, action, gain, next, nextAt, worth) => {
      row = nextAt
      taken[row]?.push({
        at: observations[at] as number,
        action,
        gain,
        next: next[nextAt] as number,
        discount: worth
      })
    }
  })
  environment.reset()
  for (let t = 0; t < length; t++) {
    const before = environment.observations.slice()
    const actions = new Int32Array(scripts.length).fill(t % 3)
    environment.step(actions)
    returns.push(before, actions, environment)
  }
  return taken
}

const script = fc.array(
  fc.tuple(fc.integer({ min: -8, max: 8 }), fc.constantFrom("no", "no", "no", "terminated", "truncated")),
  { minLength: 24, maxLength: 24 }
) as fc.Arbitrary<Script>

describe("returns of n steps", () => {
  it("are those of the definition, across the ends of episodes, in every row", () => {
    fc.assert(
      fc.property(
        fc.array(script, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 5 }),
        (scripts, steps) => {
          expect(transitionsOf(scripts, steps)).toEqual(scripts.map((one) => expectedOf(one, steps)))
        }
      )
    )
  })

  it("count nothing after a termination, and the last observation after a truncation", () => {
    const of = (end: "terminated" | "truncated") =>
      transitionsOf(
        [
          [
            [1, "no"],
            [1, "no"],
            [1, end]
          ]
        ],
        2
      )[0]
    const step = (at: number, gain: number, next: number, worth: number) => ({
      at,
      action: at,
      gain,
      next,
      discount: worth
    })
    expect(of("terminated")).toEqual([step(0, 1.5, 2, 0.25), step(1, 1.5, 3.5, 0), step(2, 1, 3.5, 0)])
    expect(of("truncated")).toEqual([step(0, 1.5, 2, 0.25), step(1, 1.5, 3.5, 0.25), step(2, 1, 3.5, 0.5)])
  })
})
