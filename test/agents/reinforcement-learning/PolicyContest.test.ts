import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { maturedRows, recalibrated } from "../../../src/agents/deep-learning/review.ts"
import { panelBars } from "../../../src/agents/reinforcement-learning/PolicyAnswers.ts"
import { answersOfPolicy } from "../../../src/agents/reinforcement-learning/reviewAnswers.ts"
import { startModelRun } from "../../../src/agents/training/ModelRun.ts"
import type { Panel } from "../../../src/agents/training/policies/PolicyData.ts"
import { readTrainedPolicy } from "../../../src/agents/training/policies/TrainedPolicy.ts"
import { pickRows } from "../../../src/agents/training/QuestionRows.ts"
import { logLosses } from "../../../src/learning/evaluation/ClassMetrics.ts"
import { mean } from "../../../src/learning/evaluation/Scoring.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import type { Instrument, InstrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { asOfAt, simulated, timeFrame } from "../feedEvents.ts"
import { panelOf } from "../training/policies/panels.ts"
import {
  alias,
  asOf,
  events,
  instruments,
  made,
  settings,
  skewedCalibrator,
  trainedWith
} from "./policyRuns.ts"

/** The policy of some instruments that was made last, and has learned from nothing after an as-of. */
const contenderOn = (
  { artefacts, policies, trainings }: ReturnType<typeof made>,
  ids: ReadonlyArray<InstrumentId>,
  at: number
) =>
  Effect.gen(function* () {
    yield* trainedWith(trainings, { instruments: ids, asOf: at })
    const version = policies.deployments.get(alias)?.version ?? ""
    const artefact = artefacts.get(version) as Uint8Array
    return { artefact, version, trained: Either.getOrThrow(readTrainedPolicy(artefact)) }
  })

describe("a new policy beside one that votes", () => {
  it.live(
    "is compared with the one that votes on what both know, each seeing its own instruments",
    () =>
      Effect.gen(function* () {
        const run = made()
        const { bars, contest, modelHost } = run
        const [alpha, beta] = instruments.map(({ id }) => id) as [InstrumentId, InstrumentId]
        const votes = yield* contenderOn(run, [beta], asOf)
        const now = asOfAt(599)
        const both = yield* contenderOn(run, [alpha, beta], now)
        const wanted = { own: timeFrame, timeFrame, asOf: now }
        const panelOf = (ids: ReadonlyArray<InstrumentId>) =>
          Effect.map(bars.latest({ ...wanted, instruments: ids }, 1_000), (panel) => panel as Panel)
        const whyNot = (challenger: typeof both) =>
          Effect.flatMap(panelOf([alpha, beta]), (series) =>
            contest.whyNotBetter({ ...challenger, series }, votes)
          )

        // What each comes to by itself, on the bars that it looks at alone.
        const lossOf = (contender: typeof both, ids: ReadonlyArray<InstrumentId>) =>
          Effect.gen(function* () {
            const panel = yield* panelOf(ids)
            const since = both.trained.data.heldOutFrom - 1
            const options = { barsBefore: panelBars, horizonBars: settings.orchestrator.horizonBars }
            const all = yield* maturedRows(panel, since, { ...options, costs: settings.costs })
            const ofBeta = [...all.instrument.keys()].filter(
              (row) => panel[all.instrument[row] as number]?.instrument.id === beta
            )
            const rows = pickRows(all, Uint32Array.from(ofBeta))
            const { probabilities } = yield* Effect.scoped(
              Effect.flatMap(startModelRun(modelHost), (child) =>
                answersOfPolicy(child, contender, panel, rows)
              )
            )
            const losses = Either.getOrThrow(logLosses(Float64Array.from(probabilities), rows.label, 3))
            return { rows: rows.rows, loss: mean(losses) }
          })
        const was = yield* lossOf(votes, [beta])
        const is = yield* lossOf(both, [alpha, beta])
        const answer = yield* whyNot(both)
        if (is.loss < was.loss) expect(answer).toBeUndefined()
        else expect(answer).toMatch(new RegExp(`has a log loss of ${was.loss.toFixed(4)}, and it has`))

        const skewed = { ...both, artefact: recalibrated(both.artefact, skewedCalibrator) as Uint8Array }
        const worse = yield* lossOf(skewed, [alpha, beta])
        expect(worse.loss).toBeGreaterThan(was.loss)
        expect(yield* whyNot(skewed)).toBe(
          `on ${was.rows} outcomes the ppo that votes has a log loss of ${was.loss.toFixed(4)}, and it has ${worse.loss.toFixed(4)}`
        )
        // Nothing is left that the one that votes has not learned from.
        const late = {
          ...votes,
          trained: { ...votes.trained, data: { ...votes.trained.data, knownTo: now } }
        }
        const series = yield* panelOf([alpha, beta])
        expect(yield* contest.whyNotBetter({ ...both, series }, late)).toBe(
          "there is no outcome that neither it nor the ppo that votes has learned from"
        )
      }),
    60_000
  )

  it.live(
    "has to answer for all that the one that votes answers for",
    () =>
      Effect.gen(function* () {
        const world = simulated({ seed: 11, count: 600, instruments: 3, world: "efficient" })
        const run = made(world)
        const ids = world.instruments.map(({ id }) => id)
        const champion = yield* contenderOn(run, ids, asOf)
        const fewer = yield* contenderOn(run, ids.slice(0, 2), asOfAt(599))
        const series = panelOf(world).slice(0, 2) as unknown as Panel
        expect(yield* run.contest.whyNotBetter({ ...fewer, series }, champion)).toBe(
          `the ppo that votes also answers for ${ids[2]}`
        )
        // Where that one is not followed any more, nothing is lost; the others are compared.
        const { contest } = made({ ...world, instruments: world.instruments.slice(0, 2) })
        expect(yield* contest.whyNotBetter({ ...fewer, series }, champion)).toMatch(
          /^on \d+ outcomes the ppo that votes has a log loss of/
        )
      }),
    60_000
  )

  it.live(
    "takes the vote of one that can answer nothing that is asked here, without being compared with it",
    () =>
      Effect.gen(function* () {
        const run = made()
        const [alpha, beta] = instruments as [Instrument, Instrument]
        const votes = yield* contenderOn(run, [alpha.id], asOf)
        const onBeta = yield* contenderOn(run, [beta.id], asOf)
        const bars = panelOf({ ...run, events, instruments })
        const isOfBeta = ({ instrument }: BarSeries) => instrument.id === beta.id
        // It is worse than any.
        const skewed = {
          ...onBeta,
          artefact: recalibrated(onBeta.artefact, skewedCalibrator) as Uint8Array,
          series: bars.filter(isOfBeta) as unknown as Panel
        }
        expect(yield* run.contest.whyNotBetter(skewed, votes)).toBe(
          `the ppo that votes also answers for ${alpha.id}`
        )
        const followsBeta = made({ instruments: [beta] }).contest
        expect(yield* followsBeta.whyNotBetter(skewed, votes)).toBeUndefined()
        expect(yield* followsBeta.whyNotBetter(skewed, onBeta)).toMatch(
          /^on \d+ outcomes the ppo that votes has a log loss of/
        )
        const farther = { ...onBeta, trained: { ...onBeta.trained, horizonBars: 7 } }
        expect(yield* followsBeta.whyNotBetter(skewed, farther)).toBeUndefined()
        const longer = { ...onBeta, trained: { ...onBeta.trained, timeFrame: TimeFrame.make("4h") } }
        expect(yield* followsBeta.whyNotBetter(skewed, longer)).toBeUndefined()
      }),
    60_000
  )
})
