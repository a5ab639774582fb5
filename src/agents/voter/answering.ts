/** Questions into answers: windows, features, one run of the model for all of them, and a check of what came out. */
import { Effect, Either } from "effect"
import { windowCloses } from "../../market/Features.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Deployment } from "../../protocols/Model.ts"
import type { Answer, ModelChoice, Question } from "../../protocols/Opinion.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import type { Progress } from "../../runtime/Progress.ts"
import type { ModelHost, OpinionBatch, OpinionBatchResult } from "../model-host/ModelHost.ts"
import type { Learner, Window } from "./Learner.ts"

interface Parts<State, Encoded, E> {
  readonly learner: Learner<State, Encoded>
  readonly state: () => State
  readonly known: Progress
  readonly host: typeof ModelHost.Service
  readonly fetch: (digest: string) => Effect.Effect<Uint8Array, E>
  readonly active: () => Deployment | null
  readonly barsOf: (question: Question, count: number) => Effect.Effect<ReadonlyArray<Bar>, E>
}

/** A question with what the model needs to answer it, or why there is none. */
type Prepared = Either.Either<{ readonly features: Float64Array; readonly sigma: number }, string>

const versionOf = (active: Deployment | null, model: ModelChoice): string | null => {
  if (model === "active") return active?.version ?? null
  return model === "previous" ? (active?.previous ?? null) : model
}

const missing = (model: ModelChoice): string =>
  model === "active"
    ? "no model has been made yet"
    : `there is no ${model === "previous" ? "previous" : "such"} model`

export const makeAnswering = <State, Encoded, E>(parts: Parts<State, Encoded, E>) => {
  const { active, barsOf, fetch, host, known, learner, state } = parts
  const columns = learner.features.names.length

  const abstain = (question: Question, reason: string): Answer => ({
    _tag: "Abstention",
    voter: learner.name,
    instrument: question.instrument,
    reason: truncateReason(reason)
  })

  const windowOf = (question: Question): Effect.Effect<Window | undefined, E> =>
    Effect.suspend(() => {
      const held = learner.window(state(), question.instrument, question.asOf)
      if (held !== undefined || question.asOf >= known.current()) return Effect.succeed(held)
      // A past as-of whose bars have been let go: whoever keeps what flows has them.
      return Effect.map(barsOf(question, windowCloses), (bars) =>
        bars.length < windowCloses || bars.at(-1)?.closeTime !== question.asOf
          ? undefined
          : { closes: bars.map(({ close }) => close), end: windowCloses - 1 }
      )
    })

  const prepare = (question: Question): Effect.Effect<Prepared, E> =>
    Effect.gen(function* () {
      if (question.horizonBars !== learner.horizonBars) {
        return Either.left(`the model looks ${learner.horizonBars} bars ahead, not ${question.horizonBars}`)
      }
      yield* known.reached(question.asOf)
      const window = yield* windowOf(question)
      if (window === undefined) return Either.left(`fewer than ${windowCloses} bars are known at the as-of`)
      const features = new Float64Array(columns)
      const sigma = learner.featuresAt(window, features)
      if (!(sigma > 0)) return Either.left("the price has not moved")
      if (!features.every(Number.isFinite)) return Either.left("a feature is not finite")
      return Either.right({ features, sigma: sigma * Math.sqrt(learner.horizonBars) })
    })

  const answer = (question: Question, row: number, result: OpinionBatchResult, version: string): Answer => {
    const [sell, hold, buy] = [0, 1, 2].map((side) => result.probabilities[row * 3 + side] ?? Number.NaN) as [
      number,
      number,
      number
    ]
    const expectedReturn = result.expectedReturn[row] ?? Number.NaN
    const spread = result.spread[row] ?? Number.NaN
    const total = sell + hold + buy
    if (![sell, hold, buy, expectedReturn, spread].every(Number.isFinite) || !(total > 0) || spread < 0) {
      return abstain(question, "the model's output is not finite")
    }
    if (Math.min(sell, hold, buy) < 0) return abstain(question, "the model's output is no distribution")
    return {
      _tag: "Opinion",
      voter: learner.name,
      instrument: question.instrument,
      // float32 sums to one within 1e-7; made exact, so that what is recorded is a distribution.
      probabilities: { sell: sell / total, hold: hold / total, buy: buy / total },
      expectedReturn,
      spread,
      reason: `${learner.kind}: expected ${(expectedReturn * 1e4).toFixed(1)} bp over ${question.horizonBars} bars`,
      modelVersion: version,
      standIn: "none"
    }
  }

  return (questions: ReadonlyArray<Question>, model: ModelChoice) =>
    Effect.gen(function* () {
      const prepared = yield* Effect.forEach(questions, prepare)
      // Looked up once the bars are there: a model due at this as-of serves by then.
      const version = versionOf(active(), model)
      if (version === null) return questions.map((question) => abstain(question, missing(model)))
      const ready = prepared.flatMap((item, i) => (Either.isRight(item) ? [{ i, ...item.right }] : []))
      const rows = ready.length
      const batch: OpinionBatch = {
        rows,
        columns,
        features: new Float32Array(rows * columns),
        sigma: new Float32Array(rows),
        band: new Float32Array(rows)
      }
      ready.forEach(({ features, i, sigma }, row) => {
        batch.features.set(features, row * columns)
        batch.sigma[row] = sigma
        batch.band[row] = questions[i]?.band ?? 0
      })
      const result = rows === 0 ? undefined : yield* host.opine(version, fetch(version), batch)
      const rowOf = new Map(ready.map(({ i }, row) => [i, row]))
      return questions.map((question, i): Answer => {
        const row = rowOf.get(i)
        const item = prepared[i] as Prepared
        return row === undefined || result === undefined
          ? abstain(question, Either.isLeft(item) ? item.left : "no model ran")
          : answer(question, row, result, version)
      })
    })
}
