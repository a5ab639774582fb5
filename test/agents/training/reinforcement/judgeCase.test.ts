import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { NothingLearned } from "../../../../src/agents/training/errors.ts"
import { rlCases, rlEnvironments } from "../../../../src/agents/training/reinforcement/cases.ts"
import {
  judgeCase,
  judgedEpisodes,
  type RlRun,
  reportOf
} from "../../../../src/agents/training/reinforcement/judgeCase.ts"
import type { Bar, RlCase } from "../../../../src/agents/training/reinforcement/RlCase.ts"
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

const judged = (
  one: RlCase,
  seeds: readonly [number, ...ReadonlyArray<number>],
  { episodes = judgedEpisodes, told = [] }: { episodes?: number; told?: Array<RlRun> } = {}
) =>
  Effect.flatMap(bundled("src/agents/model-host/main.ts"), (script) =>
    judgeCase(one, { seeds, episodes, script, tell: (run) => Effect.sync(() => void told.push(run)) })
  )

describe("cases of reinforcement learning", () => {
  it("bear names of their own, in environments that there are", () => {
    expect(new Set(rlCases.map(({ name }) => name)).size).toBe(rlCases.length)
    for (const { algorithm, environment, name } of rlCases) {
      expect(rlEnvironments[environment]).toBeDefined()
      const [where, what] = name.split("/")
      expect(where).toBe(environment)
      if (algorithm.kind !== "rule") expect(what).toBe(algorithm.kind)
    }
  })

  it.scopedLive(
    "come to what the algorithm comes to by itself, to the last bit, though another process computes it",
    () =>
      Effect.gen(function* () {
        const told: Array<RlRun> = []
        const one = caseOf("cartpole/dqn", 2_000)
        const { runs } = yield* judged(one, [3, 4], { told })
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
        expect(runs[0]?.figures["mean return"]).toBe(
          returns.reduce((sum, reward) => sum + reward, 0) / judgedEpisodes
        )
      }),
    60_000
  )

  it.scopedLive(
    "are judged for every algorithm, several learners by the best of them",
    () =>
      Effect.forEach(
        ["cartpole/ppo", "cartpole/a2c", "cartpole/shared-replay", "cartpole/population"],
        (name) =>
          Effect.map(judged(caseOf(name, 4_000), [1]), ({ figures: [figure], runs: [run] }) => {
            expect(run?.steps).toBeGreaterThanOrEqual(4_000)
            const mean = figure?.mean ?? Number.NaN
            expect(mean).toBe(run?.figures["mean return"])
            expect(mean).toBeGreaterThan(8)
            expect(mean).toBeLessThanOrEqual(500)
            expect(figure?.verdict).toBe(mean >= 475 ? "reached" : "missed")
          }),
        { discard: true }
      ),
    60_000
  )

  it.scopedLive("say that the process that computes has failed", () =>
    Effect.gen(function* () {
      const script = yield* bundled("src/agents/training-host/frames.ts")
      const one = caseOf("cartpole/ppo", 1_024)
      const failed = yield* Effect.flip(
        judgeCase(one, { seeds: [1], episodes: 1, script, tell: () => Effect.void })
      )
      expect(failed).toBeInstanceOf(ChildFailed)
    })
  )

  it.scopedLive(
    "have a table among them, which finds nearly the best of a signal that it is shown",
    () =>
      Effect.gen(function* () {
        const told = yield* judged(caseOf("signal/q-learning", 100_000), [7], { episodes: 20 })
        expect(told.runs[0]).toMatchObject({ reason: "steps", steps: 100_000 })
        const [share] = told.figures
        expect(share).toMatchObject({ figure: "share of the best, %", verdict: "reached" })
        const coarse = yield* judged(caseOf("cartpole/q-learning", 1_001), [7], { episodes: 2 })
        expect(coarse.runs[0]?.steps).toBe(1_001)
        expect(coarse.figures[0]?.verdict).toBe("no bar")
      }),
    60_000
  )

  it.scopedLive("refuse steps that are too few for an update", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(judged(caseOf("cartpole/dqn", 1_008), [1], { episodes: 1 }))
      expect(refused).toBeInstanceOf(NothingLearned)
      expect(refused.message).toBe(
        "The dqn has learned nothing: 1008 steps of cartpole/dqn were too few for an update."
      )
    })
  )

  it("have bars for figures that there are, and only rules and the baseline in boxes that are too coarse have none", () => {
    const staying = (_: Float32Array, actions: Int32Array | Float32Array) => void actions.fill(1)
    for (const [name, environment] of Object.entries(rlEnvironments)) {
      const figures = Object.keys(runThrough(environment.judge(staying, 1, ["figures"])))
      for (const { algorithm, bars } of rlCases.filter((one) => one.environment === name)) {
        const exact = algorithm.kind === "rule" ? Object.keys(algorithm.known().exact) : []
        for (const barred of Object.keys(bars)) expect([...figures, ...exact]).toContain(barred)
        const isCoarse = algorithm.kind === "q-learning" && name === "cartpole"
        expect(Object.keys(bars).length > 0 || algorithm.kind === "rule" || isCoarse).toBe(true)
      }
    }
  })

  it.scopedLive("have rules among them, which learn nothing and are judged all the same", () =>
    Effect.gen(function* () {
      const { figures, runs } = yield* judged(caseOf("signal/sign", 0), [1, 2], { episodes: 3 })
      expect(runs.map(({ reason, steps }) => ({ reason, steps }))).toEqual(
        Array(2).fill({ reason: "steps", steps: 0 })
      )
      expect(figures.map(({ figure, verdict }) => `${figure}: ${verdict}`)).toEqual([
        "share of the best, %: no bar",
        "growth, bp a step: no bar",
        "turnover, % of always: no bar",
        "exact share, %: reached"
      ])
    })
  )
})

describe("a report", () => {
  const run = (value: number, seed: number): RlRun => ({
    seed,
    figures: { gain: value },
    reason: "steps",
    steps: 1,
    wallMs: 1
  })
  const reported = (bar: Bar | null, first: number, ...rest: ReadonlyArray<number>) => {
    const runs = [run(first, 0), ...rest.map((value, i) => run(value, i + 1))] as const
    const { figures } = reportOf({ bars: bar === null ? {} : { gain: bar } }, runs)
    return figures[0] ?? expect.fail("there is no figure")
  }

  it("sums up a figure by mean and spread over the seeds, beside its bar", () => {
    expect(reported({ kind: "at least", value: 475 }, 470, 480, 490)).toEqual({
      figure: "gain",
      mean: 480,
      deviation: 10,
      interval: null,
      least: 470,
      most: 490,
      bar: { kind: "at least", value: 475 },
      verdict: "reached"
    })
    expect(reported({ kind: "at least", value: 480.1 }, 470, 480, 490).verdict).toBe("missed")
    expect(reported({ kind: "at most", value: 480 }, 470, 480, 490).verdict).toBe("reached")
    expect(reported({ kind: "at most", value: 479.9 }, 470, 480, 490).verdict).toBe("missed")
    expect(reported(null, 470)).toMatchObject({ deviation: 0, interval: null, verdict: "no bar" })
  })

  it("has an interval of Student's t from five seeds on, within 2% of its width", () => {
    const { interval, mean } = reported(null, 1, 2, 3, 4, 5)
    // Quantile 0.975 of four degrees of freedom: 2.776; standard error: sqrt(2.5 / 5).
    expect((interval?.high ?? 0) - mean).toBeGreaterThan(0.98 * 2.776 * Math.SQRT1_2)
    expect((interval?.high ?? 0) - mean).toBeLessThan(1.02 * 2.776 * Math.SQRT1_2)
    expect(mean - (interval?.low ?? 0)).toBeCloseTo((interval?.high ?? 0) - mean, 12)
  })

  it("calls an excess none where chance may have made it, and does not judge that by few seeds", () => {
    const bar: Bar = { kind: "not surely above", value: 0 }
    expect(reported(bar, -1, 2, -1, 2, 0).verdict).toBe("reached")
    expect(reported(bar, -1, -2, -1, -2, -3).verdict).toBe("reached")
    expect(reported(bar, 1, 2, 1, 2, 1).verdict).toBe("missed")
    expect(reported(bar, 1, 2, 1, 2).verdict).toBe("too few seeds")
  })
})
