/**
 * Who answers: the network that votes where there is one, else the linear forecaster; and who stands in for a model that
 * cannot be run: the version before it, then the linear forecaster.
 */
import { Effect, Either } from "effect"
import type { Deployment } from "../../protocols/Model.ts"
import type { Answer, ModelChoice, Opinion, Question, StandIn } from "../../protocols/Opinion.ts"
import type { Classes, ModelType } from "../../protocols/Prediction.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import type * as Progress from "../../runtime/Progress.ts"
import type { AnswerError, Answering } from "../voter/Addition.ts"
import { abstaining } from "../voter/answers.ts"
import { beforeChampion, champion, type Deployed, networkDeployment } from "./Deployed.ts"
import type { NetworkAnswer, NetworkAnswering } from "./NetworkAnswers.ts"

const abstain = abstaining("deep-learning")

/** A model of somebody else's in the place of the one that was asked. */
const inPlace = (
  answers: ReadonlyArray<NetworkAnswer>,
  standIn: StandIn,
  why: string
): ReadonlyArray<NetworkAnswer> =>
  answers.map(({ answer, classes }) => ({
    classes,
    answer:
      answer._tag === "Opinion"
        ? ({ ...answer, standIn, reason: truncateReason(`${answer.reason}; ${why}`) } satisfies Opinion)
        : answer
  }))

const withoutClasses = (answers: ReadonlyArray<Answer>): ReadonlyArray<NetworkAnswer> =>
  answers.map((answer) => ({ answer, classes: null as Classes | null }))

export const makeNetworkVoting = (parts: {
  readonly deployed: () => Deployed
  readonly networks: NetworkAnswering<AnswerError>
  /** The linear forecaster, which is of the feed's own bars. */
  readonly linear: Answering
  readonly linearActive: () => Deployment | null
  readonly isOwn: (timeFrame: TimeFrame) => boolean
  readonly known: Progress.Progress
}) => {
  const { deployed, isOwn, known, linearActive, networks } = parts

  /** All questions of a request are of one time frame. */
  const timeFrameOf = ([question]: ReadonlyArray<Question>): TimeFrame | undefined => question?.timeFrame

  const all = (questions: ReadonlyArray<Question>, why: string): ReadonlyArray<Answer> =>
    questions.map((question) => abstain(question, why))

  const linear: Answering = (questions, model) => {
    const timeFrame = timeFrameOf(questions)
    return timeFrame === undefined || isOwn(timeFrame)
      ? parts.linear(questions, model)
      : Effect.succeed(
          all(questions, `the linear forecaster is not of bars of ${timeFrame}: ask for a network`)
        )
  }

  /** What serves at an as-of is looked up once that as-of is known: what was due at it has been made by then. */
  const once = <A>(questions: ReadonlyArray<Question>, work: () => Effect.Effect<A, AnswerError>) =>
    Effect.zipRight(
      known.reached(questions.reduce((latest, { asOf }) => Math.max(latest, asOf), 0)),
      Effect.suspend(work)
    )

  /** A network, then the version before it, then the linear forecaster. */
  const orStandIn = (
    version: string,
    previous: string | null,
    questions: ReadonlyArray<Question>
  ): Effect.Effect<ReadonlyArray<NetworkAnswer>, AnswerError> =>
    Effect.gen(function* () {
      const first = yield* Effect.either(networks.answer(version, questions))
      if (Either.isRight(first)) return first.right
      const why = `in the place of ${version.slice(0, 12)}: ${first.left.message}`
      yield* Effect.logWarning(`The network ${version.slice(0, 12)} cannot be run: ${first.left.message}`)
      const second =
        previous === null ? undefined : yield* Effect.either(networks.answer(previous, questions))
      if (second !== undefined && Either.isRight(second)) return inPlace(second.right, "previous", why)
      return inPlace(withoutClasses(yield* linear(questions, "active")), "baseline", why)
    })

  const serving = (
    questions: ReadonlyArray<Question>
  ): Effect.Effect<ReadonlyArray<NetworkAnswer>, AnswerError> =>
    Effect.suspend(() => {
      const timeFrame = timeFrameOf(questions)
      const votes = timeFrame === undefined ? undefined : champion(deployed(), timeFrame)
      return votes === undefined || timeFrame === undefined
        ? Effect.map(linear(questions, "active"), withoutClasses)
        : orStandIn(votes.manifest.digest, beforeChampion(deployed(), timeFrame), questions)
    })

  const answersOf = (given: ReadonlyArray<NetworkAnswer>) => given.map(({ answer }) => answer)

  return {
    /** A round's questions. */
    voting: ((questions, model: ModelChoice) =>
      once(questions, () => {
        const timeFrame = timeFrameOf(questions)
        if (model === "active") return Effect.map(serving(questions), answersOf)
        if (model !== "previous") {
          return deployed().manifests.has(model)
            ? Effect.map(networks.answer(model, questions), answersOf)
            : linear(questions, model)
        }
        if (timeFrame === undefined || champion(deployed(), timeFrame) === undefined) {
          return linear(questions, "previous")
        }
        const before = beforeChampion(deployed(), timeFrame)
        return before === null
          ? linear(questions, "active")
          : Effect.map(networks.answer(before, questions), answersOf)
      })) as Answering,

    /** The answers of a model by its name. A model that had learned from what came after an as-of says nothing of it. */
    byName: (
      model: ModelType,
      questions: ReadonlyArray<Question>
    ): Effect.Effect<ReadonlyArray<NetworkAnswer>, AnswerError> =>
      once(questions, () => {
        const timeFrame = timeFrameOf(questions)
        if (timeFrame === undefined) return Effect.succeed([])
        const isNetwork = model !== "serving" && model !== "linear"
        const network = isNetwork ? networkDeployment(deployed(), model, timeFrame) : undefined
        if (isNetwork && network === undefined) {
          const why = `there is no ${model} for bars of ${timeFrame}: train one, or ask for another`
          return Effect.succeed(withoutClasses(all(questions, why)))
        }
        const votes = model === "serving" ? champion(deployed(), timeFrame) : undefined
        const since = (network ?? votes ?? linearActive())?.since ?? 0
        const isLate = ({ asOf }: Question) => asOf < since
        const asked = questions.filter((question) => !isLate(question))
        const answer = () => {
          if (asked.length === 0) return Effect.succeed([])
          if (network !== undefined) return orStandIn(network.version, network.previous, asked)
          return model === "serving" ? serving(asked) : Effect.map(linear(asked, "active"), withoutClasses)
        }
        const why = `the ${model} model has learned from bars up to ${new Date(since).toISOString()}, after the as-of`
        return Effect.map(answer(), (answers) => {
          let next = 0
          return questions.map((question) => {
            if (!isLate(question)) return answers[next++] as NetworkAnswer
            return { answer: abstain(question, why), classes: null }
          })
        })
      })
  }
}

export type NetworkVoting = ReturnType<typeof makeNetworkVoting>
