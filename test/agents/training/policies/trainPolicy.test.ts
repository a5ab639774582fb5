import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Schema, Scope } from "effect"
import { NothingLearned } from "../../../../src/agents/training/errors.ts"
import { evaluatePolicy } from "../../../../src/agents/training/policies/evaluatePolicy.ts"
import { learnersOf } from "../../../../src/agents/training/policies/learnPolicy.ts"
import { type Panel, policyData } from "../../../../src/agents/training/policies/PolicyData.ts"
import { policyEnvironments } from "../../../../src/agents/training/policies/PolicyEnvironment.ts"
import { fillOf } from "../../../../src/agents/training/policies/PolicyFeatures.ts"
import {
  readTrainedPolicy,
  type TrainedPolicy
} from "../../../../src/agents/training/policies/TrainedPolicy.ts"
import { type PolicyTraining, trainPolicy } from "../../../../src/agents/training/policies/trainPolicy.ts"
import { runThrough } from "../../../../src/learning/steps.ts"
import { closeTimeAt } from "../../../../src/market/BarSeries.ts"
import { ModelManifest } from "../../../../src/protocols/Model.ts"
import { PolicyAlgorithm, PolicyTrainingEvent } from "../../../../src/protocols/Strategy.ts"
import { sha256 } from "../../../../src/protocols/wire/Json.ts"
import { bundled } from "../../../support/bundle.ts"
import { asOfAt, simulated, timeFrame } from "../../feedEvents.ts"
import { settingsWith } from "../../settings.ts"
import { panelOf } from "./panels.ts"

const settings = settingsWith()
const { costs, orchestrator } = settings
const { horizonBars } = orchestrator
const bars = 700
const world = simulated({ seed: 7, count: bars })
const series = panelOf(world)
const options = { horizonBars, costs }

let script = ""
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  script = await Effect.runPromise(Scope.extend(bundled("src/agents/model-host/main.ts"), scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const trained = (changes: Partial<PolicyTraining>) =>
  Effect.gen(function* () {
    const events: Array<PolicyTrainingEvent> = []
    const { models } = settings
    const training: PolicyTraining = {
      ...{ algorithm: "ppo", timeFrame, asOf: asOfAt(bars - 1), steps: 4_096, seed: 1 },
      ...{ settings, script, series },
      ...changes
    }
    const made = yield* trainPolicy(
      training,
      { script, memoryBytesMax: models.hostMemoryBytesMax, runMsMax: 60_000 },
      (event) => Effect.sync(() => events.push(event))
    )
    return { ...made, events }
  })

describe("the data of a policy", () => {
  it("learns from nothing that what is held out could be about", () => {
    const data = Either.getOrThrow(runThrough(policyData(series, options)))
    expect(data.heldOutFrom).toBeGreaterThan(data.knownTo)
    for (const course of data.courses) expect(course.bars).toBeLessThan(0.75 * bars)
    const last = Math.max(...data.trainedTo) - 1
    expect(closeTimeAt(series[0], last)).toBeLessThanOrEqual(Math.min(...data.validation.asOf))
    expect(Math.max(...data.training.labelEnd)).toBeLessThanOrEqual(Math.min(...data.validation.asOf))
  })

  it("is scaled by the training range alone", () => {
    const of = (panel: Panel) => Either.getOrThrow(runThrough(policyData(panel, options))).scaling
    const changed = simulated({ seed: 7, count: bars })
    const from = Math.floor(0.8 * bars)
    const wild = changed.events.map((event, i) => ({
      ...event,
      payload: {
        ...event.payload,
        bars: event.payload.bars.map((bar) => (i < from ? bar : { ...bar, volume: 1e6 + i }))
      }
    }))
    expect(of(panelOf({ ...changed, events: wild }))).toEqual(of(series))
    expect(of(series).means.every(Number.isFinite)).toBe(true)
  })

  it("is refused in a sentence where there is too little of it", () => {
    const short = panelOf(simulated({ seed: 7, count: 120 }))
    const refused = Either.getOrThrow(Either.flip(runThrough(policyData(short, options))))
    expect(refused.message).toMatch(/has too few bars: 120 where \d+ are needed/)
  })

  it("has rows that follow from the bars up to them", () => {
    const data = Either.getOrThrow(runThrough(policyData(series, options)))
    const cut = 400
    const early = panelOf({ ...world, events: world.events.slice(0, cut) })
    const fill = fillOf(data.matrices, data.scaling)
    const before = fillOf(Either.getOrThrow(runThrough(policyData(early, options))).matrices, data.scaling)
    const rowOf = (of: typeof fill, bar: number) => {
      const out = new Float32Array(10)
      of(1, bar, out, 0)
      return [...out]
    }
    for (const bar of [100, 250, cut - 1]) expect(rowOf(before, bar)).toEqual(rowOf(fill, bar))
    expect(rowOf(fill, cut - 1).every(Number.isFinite)).toBe(true)
  })
})

describe("the environment of a policy", () => {
  it("tells what its episodes came to, after costs", () => {
    const data = Either.getOrThrow(runThrough(policyData(series, options)))
    const { environments, outcomes, outcomesOf } = Either.getOrThrow(
      policyEnvironments(data, { learners: 2, rows: 2, episodeBars: 10, shorting: true, key: ["test"] })
    )
    expect(outcomes.successRate()).toBeNull()
    expect(outcomesOf.map(({ meanReward }) => meanReward())).toEqual([null, null])
    // In and out at every step: costs and nothing else, on average.
    for (let step = 0; step < 40; step++) {
      for (const { step: stepBy } of environments) stepBy(new Int32Array(2).fill(step % 2 === 0 ? 2 : 0))
    }
    // Each begins somewhere else.
    const [first, second] = environments
    expect(first?.observations).not.toEqual(second?.observations)
    const told = outcomes.take()
    expect(told).toHaveLength(16)
    expect(outcomes.take()).toEqual([])
    expect(outcomes.meanReward()).toBeCloseTo(told.reduce((sum, one) => sum + one, 0) / 16, 12)
    expect(outcomes.meanReward()).toBeLessThan(0)
    expect(outcomes.successRate()).toBe(told.filter((growth) => growth > 0).length / 16)
    // Of each learner alone as well: two rows of the one end their episodes, then two of the other.
    const ownOf = (learner: number) => told.filter((_, i) => Math.floor(i / 2) % 2 === learner)
    for (const [learner, own] of outcomesOf.entries()) {
      expect(own.meanReward()).toBeCloseTo(ownOf(learner).reduce((sum, one) => sum + one, 0) / 8, 12)
      expect(own.successRate()).toBe(ownOf(learner).filter((growth) => growth > 0).length / 8)
    }
    expect(outcomesOf[0]?.meanReward()).not.toBe(outcomesOf[1]?.meanReward())
  })
})

describe("a policy", () => {
  it.scopedLive("is refused where its steps were too few for an update", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(trained({ algorithm: "dqn", steps: 500 }))
      expect(refused).toBeInstanceOf(NothingLearned)
      expect(refused.message).toMatch(/The dqn has learned nothing: \d+ steps were too few for an update\./)
    })
  )

  for (const algorithm of PolicyAlgorithm.literals) {
    it.scopedLive(
      `of ${algorithm} is learned with progress, described, judged beside the Q-table, and the same again`,
      () =>
        Effect.gen(function* () {
          // So many that episodes of every learner end.
          const steps = 4_096 * learnersOf(algorithm)
          const first = yield* trained({ algorithm, steps })
          const tags = first.events.map(({ _tag }) => _tag)
          expect(tags[0]).toBe("Prepared")
          expect(tags.at(-1)).toBe("Progress")
          for (const event of first.events) {
            expect(Schema.decodeUnknownEither(PolicyTrainingEvent)(event)).toEqual(Either.right(event))
          }
          const last = first.events.at(-1)
          expect(last).toMatchObject({ stepsMax: steps, episodes: expect.any(Number) })
          if (last?._tag !== "Progress") throw new Error("there was no progress")
          expect(last.steps).toBeGreaterThanOrEqual(steps)
          expect(last.updates).toBeGreaterThan(0)
          expect(last.exploration).toBeGreaterThan(0)
          expect(last.successRate).toBeGreaterThanOrEqual(0)
          const { manifest } = first.made
          const whole = { ...manifest, digest: sha256(first.artefact), bytes: 1, parent: null }
          expect(Either.isRight(Schema.decodeUnknownEither(ModelManifest)(whole))).toBe(true)
          const names = manifest.metrics.map(({ name }) => name)
          expect(names).toEqual(expect.arrayContaining(["log-loss", "base-log-loss", "q-table-log-loss"]))
          expect(first.made.reason).toMatch(/trained by \d+ steps; beside the Q-table: /)
          const description = Either.getOrThrow(readTrainedPolicy(first.artefact))
          expect(description).toMatchObject({ algorithm, timeFrame, horizonBars, seed: 1 })
          expect(description.data.heldOutFrom).toBeGreaterThan(description.data.knownTo)
          // What was told at the end is what there is, and every episode that ended was told once.
          expect(description).toMatchObject({ steps: last.steps, episodes: last.episodes })
          const rewards = first.events.flatMap((event) =>
            event._tag === "Progress" ? event.episodeRewards : []
          )
          expect(rewards).toHaveLength(last.episodes)
          expect(last.episodes).toBeGreaterThan(0)
          const latest = rewards.slice(-100)
          const share = latest.filter((reward) => reward > 0).length / latest.length
          expect(last.successRate).toBeCloseTo(share, 12)
          const meanReward = latest.reduce((sum, reward) => sum + reward, 0) / latest.length
          expect(last.meanReward).toBeCloseTo(meanReward, 12)
          // The version's own are of the learner that it was made of alone.
          const own = manifest.metrics.find(({ name }) => name === "episode-reward")?.value
          if (learnersOf(algorithm) === 1) expect(own).toBe(last.meanReward)
          else {
            expect(own).toSatisfy(Number.isFinite)
            expect(own).not.toBe(last.meanReward)
          }
          // Of action values a share of actions, of policies an entropy of three actions.
          const isOfValues = algorithm === "dqn" || algorithm === "shared-replay"
          expect(last.exploration).toBeLessThanOrEqual(isOfValues ? 1 : Math.log(3) + 1e-6)
          if (algorithm !== "ppo" && algorithm !== "population") return
          const again = yield* trained({ algorithm, steps })
          expect(sha256(again.artefact)).toBe(sha256(first.artefact))
          const other = yield* trained({ algorithm, steps, seed: 2 })
          expect(sha256(other.artefact)).not.toBe(sha256(first.artefact))
          // By its configuration a policy is known again when it has been calibrated anew.
          expect(again.made.manifest.configuration).toBe(manifest.configuration)
          expect(other.made.manifest.configuration).not.toBe(manifest.configuration)
        }),
      120_000
    )
  }
})

describe("the evaluation of a policy", () => {
  it.scopedLive(
    "is of held-out time, with intervals, beside holding and staying flat",
    () =>
      Effect.gen(function* () {
        const description = Either.getOrThrow(readTrainedPolicy((yield* trained({})).artefact))
        const of = (instrument: string, changes: Partial<TrainedPolicy> = {}) =>
          runThrough(evaluatePolicy({ trained: { ...description, ...changes }, instrument, series, seed: 1 }))
        const { instrument } = series[0]
        const judged = Either.getOrThrow(of(instrument.id))
        const { logWealth, performance } = judged
        expect(performance.from).toBeGreaterThanOrEqual(description.data.heldOutFrom)
        expect(judged.learnedTo).toBeLessThan(performance.from)
        expect(performance.baselines.map(({ name }) => name)).toEqual(["buy and hold", "flat"])
        expect(performance.baselines[1]?.totalReturn).toBe(0)
        expect(performance.costs.map(({ multiple }) => multiple)).toEqual([0, 1, 2])
        const [free, own, dear] = performance.costs.map(({ totalReturn }) => totalReturn) as [
          number,
          number,
          number
        ]
        expect(own).toBe(performance.totalReturn.value)
        expect(free).toBeGreaterThanOrEqual(own)
        expect(own).toBeGreaterThanOrEqual(dear)
        expect(logWealth.value).toBeCloseTo(Math.log1p(own), 12)
        expect(logWealth.low as number).toBeLessThanOrEqual(logWealth.high as number)
        // What buying and holding comes to, by hand: in at the open after the first bar, marked at the last but one.
        const first = series[0].openTime.findIndex(
          (_, bar) => closeTimeAt(series[0], bar) === performance.from
        )
        const open = series[0].open[first + 1] as number
        const close = series[0].close[first + performance.bars] as number
        const cost = (costs.feeBps + costs.halfSpreadBps + costs.slippageBps) * 1e-4
        expect(performance.baselines[0]?.totalReturn).toBeCloseTo(close / open - 1 - cost, 3)
        expect(Either.getLeft(of("sim:NOBODY:spot"))).toMatchObject({
          value: expect.stringMatching(/^it has learned of .*, not of sim:NOBODY:spot$/)
        })
        const late = { ...description.data, heldOutFrom: asOfAt(bars) }
        expect(Either.getLeft(of(instrument.id, { data: late }))).toMatchObject({
          value: expect.stringMatching(/^0 bars are there since/)
        })
      }),
    120_000
  )
})
