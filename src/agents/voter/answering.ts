/** Questions into answers: windows, features, one run of the model for all of them, and a check of what came out. */
import { Effect, Either } from "effect"
import { windowCloses } from "../../market/Features.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Deployment } from "../../protocols/Model.ts"
import type { Answer, ModelChoice, Question } from "../../protocols/Opinion.ts"
import type { Progress } from "../../runtime/Progress.ts"
import type { Asked, Row, RowAnswer } from "../model-host/RowRuns.ts"
import { abstaining, answerOf } from "./answers.ts"
import type { Learner, Window } from "./Learner.ts"

interface Parts<State, Encoded, E> {
  readonly learner: Learner<State, Encoded>
  readonly state: () => State
  readonly known: Progress
  /** Runs rows of one version. */
  readonly run: (asked: Asked<E>, rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<RowAnswer>, E>
  readonly fetch: (digest: string) => Effect.Effect<Uint8Array, E>
  readonly active: () => Deployment | null
  readonly barsOf: (question: Question, count: number) => Effect.Effect<ReadonlyArray<Bar>, E>
}

/** A question with what the model needs to answer it, or why there is none. */
type Prepared = Either.Either<Row, string>

const versionOf = (active: Deployment | null, model: ModelChoice): string | null => {
  if (model === "active") return active?.version ?? null
  return model === "previous" ? (active?.previous ?? null) : model
}

const missing = (model: ModelChoice): string =>
  model === "active"
    ? "no model has been made yet"
    : `there is no ${model === "previous" ? "previous" : "such"} model`

export const makeAnswering = <State, Encoded, E>(parts: Parts<State, Encoded, E>) => {
  const { active, barsOf, fetch, known, learner, run, state } = parts
  const columns = learner.features.names.length

  const abstain = abstaining(learner.name)

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
      return Either.right({
        features: Float32Array.from(features),
        sigma: sigma * Math.sqrt(learner.horizonBars),
        band: question.band
      })
    })

  return (questions: ReadonlyArray<Question>, model: ModelChoice) =>
    Effect.gen(function* () {
      const prepared = yield* Effect.forEach(questions, prepare)
      // Looked up once the bars are there: a model due at this as-of serves by then.
      const version = versionOf(active(), model)
      if (version === null) return questions.map((question) => abstain(question, missing(model)))
      const ready = prepared.flatMap((item) => (Either.isRight(item) ? [item.right] : []))
      const asked: Asked<E> = { version, artefact: fetch(version), more: [] }
      const answers = ready.length === 0 ? [] : yield* run(asked, ready)
      const named = { voter: learner.name, kind: learner.kind, version }
      let next = 0
      return questions.map((question, i): Answer => {
        const item = prepared[i] as Prepared
        if (Either.isLeft(item)) return abstain(question, item.left)
        const said = answers[next++]
        return said === undefined ? abstain(question, "no model ran") : answerOf(named, question, said)
      })
    })
}
