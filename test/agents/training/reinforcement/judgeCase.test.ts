import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type RlCase, rlCases, rlEnvironments } from "../../../../src/agents/training/reinforcement/cases.ts"
import {
  judgeCase,
  judgedEpisodes,
  type RlRun,
  reportOf
} from "../../../../src/agents/training/reinforcement/judgeCase.ts"
import { openWithOnnxruntime } from "../../../../src/agents/training-host/onnxruntime.ts"
import { cartPole, cartPoleStepsMax } from "../../../../src/learning/rl/CartPole.ts"
import { trainDqn } from "../../../../src/learning/rl/Dqn.ts"
import { episodeReturns } from "../../../../src/learning/rl/episodeReturns.ts"
import { actByValues } from "../../../../src/learning/rl/QNetwork.ts"
import { runThrough } from "../../../../src/learning/steps.ts"
import { ChildFailed } from "../../../../src/runtime/errors.ts"
import { bundled } from "../../../support/bundle.ts"

const caseOf = (name: string, steps: number): RlCase => {
  const found = rlCases.find((one) => one.name === name)
  return found === undefined ? expect.fail(`there is no case ${name}`) : { ...found, steps }
}

const judged = (one: RlCase, seeds: readonly [number, ...ReadonlyArray<number>], told: Array<RlRun> = []) =>
  Effect.flatMap(bundled("src/agents/model-host/main.ts"), (script) =>
    judgeCase(one, { seeds, script, tell: (run) => Effect.sync(() => void told.push(run)) })
  )

describe("cases of reinforcement learning", () => {
  it("bear names of their own, in environments that there are", () => {
    expect(new Set(rlCases.map(({ name }) => name)).size).toBe(rlCases.length)
    for (const { algorithm, environment, name } of rlCases) {
      expect(rlEnvironments[environment]).toBeDefined()
      expect(name).toBe(`${environment}/${algorithm.kind}`)
    }
  })

  it.scopedLive(
    "come to what the algorithm comes to by itself, to the last bit, though another process computes it",
    () =>
      Effect.gen(function* () {
        const told: Array<RlRun> = []
        const one = caseOf("cartpole/dqn", 2_000)
        const { runs } = yield* judged(one, [3, 4], told)
        expect(told).toEqual(runs)
        expect(runs.map(({ reason, seed, steps }) => ({ reason, seed, steps }))).toEqual([
          { reason: "steps", seed: 3, steps: 2_000 },
          { reason: "steps", seed: 4, steps: 2_000 }
        ])
        const direct = yield* Effect.promise(async () => {
          if (one.algorithm.kind !== "dqn") return expect.fail("it is another algorithm")
          const running = trainDqn({
            ...one.algorithm,
            environment: cartPole(one.rows, [3, "training", 0]),
            steps: one.steps,
            open: openWithOnnxruntime,
            seed: 3
          })
          for (;;) {
            const { done, value } = await running.next()
            if (done === true) return actByValues(value.network, value.manifest, value.parameters)
          }
        })
        const unseen = cartPole(judgedEpisodes, [3, "judging"])
        const returns = runThrough(episodeReturns(unseen, direct, cartPoleStepsMax))
        expect(runs[0]?.figure).toBe(returns.reduce((sum, reward) => sum + reward, 0) / judgedEpisodes)
      }),
    60_000
  )

  it.scopedLive(
    "are judged for every algorithm, several learners by the best of them",
    () =>
      Effect.forEach(
        ["cartpole/ppo", "cartpole/a2c", "cartpole/shared-replay", "cartpole/population"],
        (name) =>
          Effect.map(judged(caseOf(name, 3_000), [1]), ({ runs: [run], verdict }) => {
            expect(run?.steps).toBeGreaterThanOrEqual(3_000)
            expect(run?.figure).toBeGreaterThan(8)
            expect(run?.figure).toBeLessThanOrEqual(500)
            expect(verdict).toBe(run !== undefined && run.figure >= 475 ? "reached" : "missed")
          }),
        { discard: true }
      ),
    60_000
  )

  it.scopedLive("say that the process that computes has failed", () =>
    Effect.gen(function* () {
      const script = yield* bundled("src/agents/training-host/frames.ts")
      const one = caseOf("cartpole/ppo", 1_024)
      const failed = yield* Effect.flip(judgeCase(one, { seeds: [1], script, tell: () => Effect.void }))
      expect(failed).toBeInstanceOf(ChildFailed)
    })
  )

  it("are summed up by mean and spread over the seeds, beside the bar", () => {
    const runs = [470, 480, 490].map(
      (figure, seed): RlRun => ({ seed, figure, reason: "steps", steps: 1, wallMs: 1 })
    )
    expect(reportOf({ bar: 475 }, runs)).toEqual({
      runs,
      mean: 480,
      deviation: 10,
      least: 470,
      most: 490,
      verdict: "reached"
    })
    expect(reportOf({ bar: 480.1 }, runs).verdict).toBe("missed")
    expect(reportOf({ bar: null }, runs.slice(0, 1))).toMatchObject({ deviation: 0, verdict: "no bar" })
  })
})
