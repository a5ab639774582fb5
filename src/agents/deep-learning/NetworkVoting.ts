/**
 * Who answers: the network that votes, where there is one, what it can be asked; the linear forecaster everything else. Who
 * stands in for a network that cannot be run: the version before it, then the linear forecaster.
 *
 * Invariant: every question has one answer, in its place.
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
import { type Ask as AskOf, divided } from "../voter/divided.ts"
import { beforeChampion, champion, type Deployed, networkDeployment } from "./Deployed.ts"
import type { NetworkAnswer, NetworkAnswering } from "./NetworkAnswers.ts"

const abstain = abstaining("deep-learning")

type Ask = AskOf<NetworkAnswer, AnswerError>

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

  const byLinear =
    (model: ModelChoice): Ask =>
    (questions) =>
      Effect.map(linear(questions, model), withoutClasses)

  /**
   * Asks one what a version can be asked here, and another the rest. Where it cannot be read, the one is asked everything, and
   * meets what is wrong.
   */
  const shared = (
    version: string,
    questions: ReadonlyArray<Question>,
    own: Ask,
    rest: Ask
  ): ReturnType<Ask> =>
    Effect.flatMap(
      Effect.either(networks.whyNot(version)),
      Either.match({
        onLeft: () => own(questions),
        onRight: (whyNot) => divided(questions, (question) => whyNot(question) === undefined, own, rest)
      })
    )

  /** A network, then the version before it, then the linear forecaster. */
  const orStandIn =
    (version: string, previous: string | null): Ask =>
    (questions) =>
      Effect.gen(function* () {
        const first = yield* Effect.either(networks.answer(version, questions))
        if (Either.isRight(first)) return first.right
        const why = `in the place of ${version.slice(0, 12)}: ${first.left.message}`
        yield* Effect.logWarning(`The network ${version.slice(0, 12)} cannot be run: ${first.left.message}`)
        const standingIn =
          (ask: Ask, standIn: StandIn): Ask =>
          (some) =>
            Effect.map(ask(some), (answers) => inPlace(answers, standIn, why))
        const byBaseline = standingIn(byLinear("active"), "baseline")
        if (previous === null) return yield* byBaseline(questions)
        const byPrevious = standingIn((some) => networks.answer(previous, some), "previous")
        const second = yield* Effect.either(shared(previous, questions, byPrevious, byBaseline))
        return Either.isRight(second) ? second.right : yield* byBaseline(questions)
      })

  const answersOf = (given: ReadonlyArray<NetworkAnswer>) => given.map(({ answer }) => answer)

  return {
    /** A round's questions. */
    voting: ((questions, model: ModelChoice) =>
      once(questions, () => {
        if (model !== "active" && model !== "previous") {
          return deployed().manifests.has(model)
            ? Effect.map(networks.answer(model, questions), answersOf)
            : linear(questions, model)
        }
        const timeFrame = timeFrameOf(questions)
        const votes = timeFrame === undefined ? undefined : champion(deployed(), timeFrame)
        if (timeFrame === undefined || votes === undefined) return linear(questions, model)
        const version = votes.manifest.digest
        const before = beforeChampion(deployed(), timeFrame)
        const byActive = byLinear("active")
        const byBefore: Ask =
          before === null
            ? byActive
            : (own) => shared(before, own, (some) => networks.answer(before, some), byActive)
        const own = model === "active" ? orStandIn(version, before) : byBefore
        return Effect.map(shared(version, questions, own, byLinear(model)), answersOf)
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
        const unlessLate =
          (since: number, ask: Ask): Ask =>
          (of) => {
            const why = `the ${model} model has learned from bars up to ${new Date(since).toISOString()}, after the as-of`
            const none: Ask = (late) => Effect.succeed(withoutClasses(all(late, why)))
            return divided(of, ({ asOf }) => asOf >= since, ask, none)
          }
        const linearly = unlessLate(linearActive()?.since ?? 0, byLinear("active"))
        if (network !== undefined) {
          return unlessLate(network.since, orStandIn(network.version, network.previous))(questions)
        }
        const votes = model === "serving" ? champion(deployed(), timeFrame) : undefined
        if (votes === undefined) return linearly(questions)
        const { manifest, since } = votes
        const own = unlessLate(since, orStandIn(manifest.digest, beforeChampion(deployed(), timeFrame)))
        return shared(manifest.digest, questions, own, linearly)
      })
  }
}

export type NetworkVoting = ReturnType<typeof makeNetworkVoting>
