import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { rlCases } from "../../src/agents/training/reinforcement/cases.ts"
import { runConclave } from "../support/conclave.ts"

const ask = (...args: ReadonlyArray<string>) => runConclave(["evaluate", "rl", ...args])

describe("conclave evaluate rl", () => {
  it.scopedLive(
    "learns the cases that are asked for with every seed, and gives everything as one object",
    () =>
      Effect.gen(function* () {
        const few = ["--case", "cartpole/ppo", "--steps", "1024", "--seeds", "2", "--seed", "7"]
        const { code, stderr, stdout } = yield* ask(...few, "--json")
        expect(stderr).toContain("conclave: cartpole/ppo, seed 8: ")
        expect(code).toBe(0)
        const result = JSON.parse(stdout)
        expect(result).toMatchObject({
          type: "rl-evaluation",
          episodes: 100,
          cases: [
            {
              name: "cartpole/ppo",
              environment: "cartpole",
              algorithm: { kind: "ppo", settings: { discount: 0.99 } },
              figures: [{ figure: "mean return", bar: { kind: "at least", value: 475 }, verdict: "missed" }],
              runs: [
                { seed: 7, steps: 1_024, reason: "steps" },
                { seed: 8, steps: 1_024, reason: "steps" }
              ]
            }
          ]
        })
        const [{ least, mean, most }] = result.cases[0].figures
        expect(least).toBeLessThanOrEqual(mean)
        expect(mean).toBeLessThanOrEqual(most)
      }),
    60_000
  )

  it.scopedLive(
    "prints a missed bar as missed, and ends with 1 only where that is asked for",
    () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* ask(
          ...["--environment", "cartpole", "--algorithm", "a2c", "--steps", "400", "--seeds", "1", "--strict"]
        )
        expect(stdout).toMatch(
          /cartpole\/a2c +mean return +[\d.]+ +0\.00 +- +- +[\d.]+ +[\d.]+ +>= 475 +missed +1 +400 /
        )
        expect(stdout).toContain("Over seeds from 1 on, 100 episodes each")
        expect(stderr).toContain("conclave: The bar was missed by cartpole/a2c; the table says by how much.")
        expect(code).toBe(1)
      }),
    60_000
  )

  it.scopedLive(
    "gives a case that learned nothing that verdict, and the others theirs",
    () =>
      Effect.gen(function* () {
        // Too few for a memory to be learned from, enough for boxes.
        const few = ["--environment", "cartpole", "--steps", "64", "--seeds", "1", "--strict"]
        const { code, stderr, stdout } = yield* ask(...few)
        expect(stdout).toMatch(/cartpole\/dqn +-( +-)+ +nothing learned +- +- +-/)
        expect(stdout).toMatch(/cartpole\/q-learning +mean return +[\d.]+ .* no bar +1 +64 /)
        expect(stderr).toContain(
          "conclave: The dqn has learned nothing: 64 steps of cartpole/dqn were too few for an update."
        )
        expect(stderr).toMatch(/The bar was missed by (.*, )?cartpole\/dqn/)
        expect(code).toBe(1)
        const json = yield* ask("--case", "cartpole/dqn", "--steps", "64", "--seeds", "1", "--json")
        expect(json.code).toBe(0)
        expect(JSON.parse(json.stdout).cases).toMatchObject([
          {
            ...{ name: "cartpole/dqn", runs: [], figures: [] },
            nothingLearned: "64 steps of cartpole/dqn were too few for an update"
          }
        ])
      }),
    60_000
  )

  it.scopedLive(
    "goes through every case in a short form, which judges nothing",
    () =>
      Effect.gen(function* () {
        const { code, stdout } = yield* ask("--smoke", "--strict", "--json")
        expect(code).toBe(0)
        const { cases, episodes } = JSON.parse(stdout)
        expect(episodes).toBe(4)
        expect(cases.map(({ name }: { name: string }) => name)).toEqual(rlCases.map(({ name }) => name))
        for (const { figures, runs } of cases) {
          expect(runs.length).toBe(1)
          for (const { mean, verdict } of figures) {
            expect(mean).toSatisfy(Number.isFinite)
            expect(verdict).toBe("no bar")
          }
        }
      }),
    120_000
  )

  it.scopedLive(
    "refuses what there is not, and leaves the models' evaluation as it is",
    () =>
      Effect.gen(function* () {
        for (const [args, words] of [
          [
            ["rl", "--algorithm", "sarsa"],
            "the algorithms q-learning, dqn, ppo, a2c, shared-replay, population, rule"
          ],
          [["rl", "--case", "signal/sarsa"], "in the cases cartpole/q-learning, cartpole/dqn, "],
          [
            ["rl", "--environment", "go"],
            "there are the environments cartpole, signal, oracle, last, no-edge"
          ],
          [["rl", "--seeds", "0"], "--seeds 0 is not between 1 and 100"],
          [["rl", "--steps", "0"], "--steps 0 is not between 1 and"],
          [["--model", "m.onnx"], "Expected to find option: '--data'"]
        ] as const) {
          const { code, stderr } = yield* runConclave(["evaluate", ...args])
          expect(stderr).toContain(words)
          expect(code).toBe(1)
        }
      }),
    60_000
  )
})
