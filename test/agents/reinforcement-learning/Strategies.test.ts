import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { seriesOf } from "../../../src/agents/deep-learning/BarWindows.ts"
import type { Row } from "../../../src/agents/model-host/RowRuns.ts"
import {
  makePolicyAnswering,
  type SeriesAt
} from "../../../src/agents/reinforcement-learning/PolicyAnswers.ts"
import {
  appliedTo,
  intendedBy,
  makeStrategies,
  suggestedExposure
} from "../../../src/agents/reinforcement-learning/Strategies.ts"
import {
  encodeParameters,
  observationsOf,
  scoreOf,
  type TrainedPolicy,
  trainedPolicyMetadata
} from "../../../src/agents/training/policies/TrainedPolicy.ts"
import { emitPolicy } from "../../../src/learning/rl/PolicyOpinion.ts"
import { qManifest } from "../../../src/learning/rl/QNetwork.ts"
import { actionCount } from "../../../src/market/environment/TradingEnvironments.ts"
import { instrumentFeatureSchema } from "../../../src/market/features/InstrumentFeatures.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import type { Opinion, Question } from "../../../src/protocols/Opinion.ts"
import type { MarketConditions, StrategyAlgorithm } from "../../../src/protocols/Strategy.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, randomCalibrator } from "../../learning/opinions.ts"
import { asOfAt, simulated, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"

const settings = settingsWith()
const { horizonBars } = settings.orchestrator
const { events, instruments } = simulated({ seed: 3, count: 200 })
const bars = events.flatMap(({ payload }) => payload.bars)
const [alpha, beta] = instruments as [(typeof instruments)[number], (typeof instruments)[number]]

const { names } = instrumentFeatureSchema
const scaling = {
  schema: instrumentFeatureSchema,
  means: names.map(() => 0),
  deviations: names.map((_, k) => 1 + k),
  clips: names.map(() => 10)
}
const network = { kind: "q-network", hidden: [8] as const, isDueling: true } as const
const manifest = qManifest({
  observations: observationsOf(scaling),
  actions: actionCount,
  hidden: network.hidden,
  isDueling: true
})
const trained: TrainedPolicy = {
  version: 1,
  algorithm: "dqn",
  network,
  parameters: encodeParameters(manifest.initial(5)),
  scaling,
  instruments: [alpha.id, beta.id],
  timeFrame,
  horizonBars,
  costs: settings.costs,
  allowShort: true,
  data: {
    digest: "0".repeat(64) as TrainedPolicy["data"]["digest"],
    ...{ from: asOfAt(0), to: asOfAt(9), knownTo: asOfAt(10), heldOutFrom: asOfAt(11) },
    ...{ trainingRows: 1, validationRows: 1, heldOutRows: 1 }
  },
  ...{ steps: 1, episodes: 1, seed: 1, metrics: [] }
}
const artefact = emitPolicy({
  ...scoreOf(trained),
  calibrator: randomCalibrator(keyedRandom("strategies")),
  featureNames: names,
  featureSchemaVersion: instrumentFeatureSchema.version,
  metadata: trainedPolicyMetadata(trained)
})
const version = sha256(artefact)

/** Bars up to an as-of, of a history that was cut off or not. */
const seriesAtOf =
  (all: ReadonlyArray<Bar>): SeriesAt<never> =>
  (id, frame, asOf, count) =>
    Effect.sync(() => {
      const found = all.filter((bar) => bar.instrument === id && bar.closeTime <= asOf).slice(-count)
      const instrument = instruments.find((one) => one.id === id)
      return instrument === undefined || found.length === 0 ? undefined : seriesOf(instrument, frame, found)
    })

const run = (_: unknown, rows: ReadonlyArray<Row>) =>
  Effect.promise(async () =>
    (await askOnnx(artefact, rows)).map(({ expectedReturn, probabilities: { buy, hold, sell }, spread }) => ({
      probabilities: [sell, hold, buy] as const,
      ...{ expectedReturn, spread, more: [] }
    }))
  )
const answeringOf = (all: ReadonlyArray<Bar>) =>
  makePolicyAnswering<never>({
    ...{ fetch: () => Effect.succeed(artefact), run, seriesAt: seriesAtOf(all) },
    barsIn: (id, _, from, to) =>
      Effect.succeed(
        all.filter((bar) => bar.instrument === id && bar.closeTime >= from && bar.closeTime <= to)
      )
  })

const questionAt = (index: number, changes: Partial<Question> = {}): Question => ({
  ...{ instrument: alpha.id, timeFrame, asOf: asOfAt(index), horizonBars },
  ...{ band: 0.01, roundTripCost: 0.001, sigma: 0.01 },
  ...changes
})

describe("the answers of a policy", () => {
  it.effect("follow from the bars up to their as-ofs", () =>
    Effect.gen(function* () {
      const questions = [70, 110, 150].flatMap((index) => [
        questionAt(index),
        questionAt(index, { instrument: beta.id })
      ])
      const whole = yield* answeringOf(bars).answer(version, questions)
      expect(whole.every(({ _tag }) => _tag === "Opinion")).toBe(true)
      for (const [i, question] of questions.entries()) {
        const before = bars.filter(({ closeTime }) => closeTime <= question.asOf)
        expect(yield* answeringOf(before).answer(version, [question])).toEqual([whole[i]])
      }
      // Not all of them say the same.
      const said = whole.map((answer) => (answer as Opinion).probabilities.buy)
      expect(new Set(said).size).toBe(said.length)
    })
  )

  it.effect("are abstentions, each with its reason, where the policy has nothing to say", () =>
    Effect.gen(function* () {
      const reasons = (yield* answeringOf(bars).answer(version, [
        questionAt(10),
        questionAt(100, { horizonBars: horizonBars + 1 }),
        questionAt(100, { timeFrame: "2h" as typeof timeFrame }),
        questionAt(100, { instrument: "sim:OTHER:spot" as typeof alpha.id })
      ])).map((answer) => (answer._tag === "Abstention" ? answer.reason : ""))
      expect(reasons).toEqual([
        "fewer than 65 bars are known at the as-of",
        `the policy looks ${horizonBars} bars ahead, not ${horizonBars + 1}`,
        "the policy is of bars of 1h, not 2h",
        "the policy has learned of 2 instruments, and this one is not among them"
      ])
    })
  )
})

const strategyOf = (
  conditions: MarketConditions = {},
  algorithm: StrategyAlgorithm = "dqn",
  all: ReadonlyArray<Bar> = bars,
  answering = answeringOf(all)
) =>
  makeStrategies<never>({
    ...{ settings, answering, seriesAt: seriesAtOf(all), run },
    fetch: () => Effect.succeed(artefact),
    policyOf: (name) =>
      name === "dqn" ? { alias: "a", version, previous: null, share: 1, since: 0, reason: "" } : undefined,
    table: () => null
  }).generate({ instrument: alpha.id, algorithm, timeFrame, asOf: asOfAt(150), conditions })

describe("a strategy", () => {
  it.effect("is a calibrated opinion with what would be held, and says what was supposed", () =>
    Effect.gen(function* () {
      const usual = yield* strategyOf()
      expect(usual).toMatchObject({ algorithm: "dqn", asOf: asOfAt(150), answer: { _tag: "Opinion" } })
      expect(usual.conditions).toEqual(appliedTo(settings, {}))
      const { probabilities } = usual.answer as Opinion
      expect(probabilities.sell + probabilities.hold + probabilities.buy).toBeCloseTo(1, 12)
      const wild = yield* strategyOf({ volatilityScale: 3 })
      expect((wild.answer as Opinion).spread).toBeCloseTo(3 * (usual.answer as Opinion).spread, 6)
      expect((yield* strategyOf({ roundTripBps: 1_000, exposure: -0.25 })).targetExposure).toBe(-0.25)
    })
  )

  it.effect("moves what is known of moves, and not what stands for what is absent", () =>
    Effect.gen(function* () {
      const closeOnly = bars.map((bar) => ({
        ...bar,
        ...{ open: bar.close, high: bar.close, low: bar.close, volume: null, closeOnly: true }
      }))
      const rowsAt = (volatilityScale: number) =>
        Effect.gen(function* () {
          const rows: Array<Row> = []
          const answering = answeringOf(closeOnly)
          const noting: typeof answering = {
            ...answering,
            describe: () =>
              Effect.succeed({ ...trained, scaling: { ...scaling, means: names.map(() => 7) } }),
            ask: (one, policy, asked) => {
              rows.push(...asked.map(([, row]) => row))
              return answering.ask(one, policy, asked)
            }
          }
          yield* strategyOf({ volatilityScale }, "dqn", closeOnly, noting)
          return rows.flatMap(({ features }) => [...features])
        })
      const as = yield* rowsAt(1)
      const wild = yield* rowsAt(2)
      expect(as).toHaveLength(names.length)
      const ratios = Object.fromEntries(
        names.map((name, k) => [name, (wild[k] as number) / (as[k] as number)])
      )
      expect(as[names.indexOf("range")]).toBe(7)
      expect(ratios).toMatchObject({ range: 1, momentum_12: 1, ret_1: 2, ret_24: 2, volatility_24: 2 })
    })
  )

  it.effect("is an abstention without a policy, a table or enough bars", () =>
    Effect.gen(function* () {
      const reasonOf = (made: Effect.Effect.Success<ReturnType<typeof strategyOf>>) => {
        expect(made.targetExposure).toBeNull()
        return made.answer.reason
      }
      expect(reasonOf(yield* strategyOf({}, "ppo"))).toMatch(/there is no policy of ppo for bars of 1h/)
      expect(reasonOf(yield* strategyOf({}, "q-table"))).toBe("no Q-table has been made yet")
      const few = bars.filter(({ closeTime }) => closeTime > asOfAt(120))
      expect(reasonOf(yield* strategyOf({}, "dqn", few))).toMatch(/fewer than 65 bars of 1h are known/)
    })
  )

  it("changes what is held only where that pays, and never beyond what is allowed", () => {
    const exposures = fc.double({ min: -2, max: 2, noNaN: true })
    const answerOf = (expectedReturn: number): Opinion => ({
      _tag: "Opinion",
      ...{ voter: "reinforcement-learning", instrument: alpha.id, expectedReturn, spread: 0.01 },
      probabilities: { sell: 0.3, hold: 0.4, buy: 0.3 },
      ...{ reason: "", modelVersion: null, standIn: "none" as const }
    })
    fc.assert(
      fc.property(
        exposures,
        fc.constantFrom(-1, 0, 1),
        fc.double({ min: -0.05, max: 0.05, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (exposure, target, expectedReturn, roundTripBps) => {
          const conditions = { exposure, roundTripBps, volatilityScale: 1, allowShort: true }
          const intended = { target, what: "it acts" }
          const { targetExposure } = suggestedExposure(answerOf(expectedReturn), intended, conditions)
          const gain = Math.sign(target - exposure) * expectedReturn
          const pays = target !== exposure && gain / 1e-4 > roundTripBps / 2
          expect(targetExposure).toBe(pays ? target : exposure)
        }
      )
    )
  })

  it("acts by what is held, and shorts nothing where that is not allowed", () => {
    const random = keyedRandom("features")
    const targets = Array.from({ length: 200 }, () => {
      const features = Float32Array.from(names, (_, k) => 5 * (1 + k) * random.normal())
      const conditions = { exposure: 0.5, roundTripBps: 1, volatilityScale: 1, allowShort: false }
      return intendedBy(trained, features, conditions).target
    })
    // Flat, kept, long: all three occur.
    expect([...new Set(targets)].sort()).toEqual([0, 0.5, 1])
  })
})
