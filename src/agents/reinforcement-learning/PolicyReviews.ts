/**
 * What has become of the policies: on outcomes that have matured since each was made its calibrator is learned again where that
 * is better, and a policy that votes goes where it can answer nothing any more, or where, on those that have matured since it was
 * given the vote, it has become worse than what voted before it, or than the base rate by more than is allowed. The rules are
 * those of networks (`../deep-learning/review.ts`).
 *
 * What can go wrong: the context, the model manager, the process that runs models; what keeps one from being looked at keeps no
 * other.
 * Invariant: a review is about what served when it began. Where something else serves by its end, it changes nothing.
 */
import { Effect } from "effect"
import type { Deployment } from "../../protocols/Model.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { Champion } from "../deep-learning/Deployed.ts"
import {
  compareMatured,
  maturedRows,
  recalibratedVersion,
  recalibration,
  whyDismissed
} from "../deep-learning/review.ts"
import { commonRows } from "../training/commonRows.ts"
import { startModelRun } from "../training/ModelRun.ts"
import { tooLate } from "../voter/Deployments.ts"
import { champion, learnedToOf, servingAlias } from "./Policies.ts"
import { panelBars, whyNothing } from "./PolicyAnswers.ts"
import { panelWanted } from "./PolicyBars.ts"
import type { PolicyTrainingParts, PolicyTrainings } from "./PolicyTrainings.ts"
import { answersOfPolicy, answersOfTable } from "./reviewAnswers.ts"

/** Questions that a review looks at, of all instruments together: the latest. */
const reviewRowsMax = 4_000

export const makePolicyReviews = (
  { describe, policies, settings, voter }: PolicyTrainingParts,
  trainings: PolicyTrainings
) => {
  const { artefacts } = voter
  const { costs, models, orchestrator, run } = settings
  const { horizonBars } = orchestrator
  const oneReview = Effect.unsafeMakeSemaphore(1)

  /** A policy, its bars, and the questions behind an instant that have matured; undefined where none were asked of it. */
  const looked = (own: TimeFrame, version: string, asOf: number, since: number) =>
    Effect.gen(function* () {
      const trained = yield* describe(version)
      if (whyNothing(trained, { horizonBars, timeFrame: own }, trainings.bars.isFollowed) !== undefined) {
        return undefined
      }
      const count = Math.ceil(reviewRowsMax / trained.instruments.length) + panelBars
      const series = yield* trainings.bars.latest(panelWanted(own, trained, asOf), count)
      if (series === undefined) return undefined
      const rows = yield* maturedRows(series, since, { barsBefore: panelBars, horizonBars, costs })
      const artefact = yield* artefacts.fetch(version)
      return rows.rows === 0 ? undefined : { series, rows, policy: { artefact, trained, version } }
    })
  type Looked = NonNullable<Effect.Effect.Success<ReturnType<typeof looked>>>

  /** A policy with a calibrator that was learned from what has matured since it was trained. */
  const calibrateAnew = (child: ChildProcess.Child, own: TimeFrame, deployment: Deployment, asOf: number) =>
    Effect.gen(function* () {
      const { alias, version } = deployment
      const manifest = policies.manifests.get(version)
      if (manifest === undefined) return
      const since = learnedToOf(manifest)
      const seen = yield* looked(own, version, asOf, since)
      if (seen === undefined) return
      const { policy, rows, series } = seen
      const better = yield* recalibration(yield* answersOfPolicy(child, policy, series, rows), rows)
      if (better === undefined) return
      const fitted = recalibratedVersion({ artefact: policy.artefact, manifest }, better, { since, asOf })
      if (fitted === undefined) return
      if (policies.deployments.get(alias)?.version !== version) return yield* tooLate(alias)
      const next = yield* trainings.publish(fitted, version)
      yield* trainings.activate(alias, next.digest, deployment, { since: asOf, reason: fitted.reason })
    })

  const comparing = { horizonBars, seed: run.seed }

  /** A Q-table answered the same questions. */
  const besideTable = (child: ChildProcess.Child, { policy, rows, series }: Looked, version: string) =>
    Effect.gen(function* () {
      const tabled = { artefact: yield* artefacts.fetch(version), version }
      const answers = yield* answersOfPolicy(child, policy, series, rows)
      return yield* compareMatured(
        answers,
        yield* answersOfTable(child, tabled, series, rows),
        rows,
        comparing
      )
    })

  /** Another policy answered those of the questions that it had learned of as well. */
  const besidePolicy = (child: ChildProcess.Child, { policy, rows, series }: Looked, other: Looked) =>
    Effect.gen(function* () {
      const common = yield* stepwise(commonRows(rows, other.rows))
      if (common.one.rows === 0) return undefined
      const answers = yield* answersOfPolicy(child, policy, series, common.one)
      const said = yield* answersOfPolicy(child, other.policy, other.series, common.other)
      return yield* compareMatured(answers, said, common.one, comparing)
    })

  /** Beside what voted before; beside the Q-table that there is where that can be asked nothing, or too little to say. */
  const besideBefore = (
    child: ChildProcess.Child,
    own: TimeFrame,
    seen: Looked,
    when: { readonly asOf: number; readonly since: number; readonly before: string; readonly table: string }
  ) =>
    Effect.gen(function* () {
      const { asOf, before, since, table } = when
      if (before === table) return yield* besideTable(child, seen, table)
      const compared = policies.manifests.has(before)
        ? Effect.flatMap(looked(own, before, asOf, since), (other) =>
            other === undefined ? Effect.succeed(undefined) : besidePolicy(child, seen, other)
          )
        : besideTable(child, seen, before)
      const orNone = Effect.catchAll(compared, ({ message }) =>
        Effect.as(Effect.logWarning(`What voted before could not be asked: ${message}`), undefined)
      )
      return (yield* orNone) ?? (yield* besideTable(child, seen, table))
    })

  /** Why what votes has done worse than it may; undefined where it has not, or too little has matured. */
  const whyWorse = (
    child: ChildProcess.Child,
    own: TimeFrame,
    { deployment, manifest }: Champion,
    { asOf, table }: { readonly asOf: number; readonly table: string }
  ) =>
    Effect.gen(function* () {
      // Since it votes, however often it has been calibrated anew: of its calibrators the latest alone has seen some of these.
      const { since } = deployment
      const seen = yield* looked(own, manifest.digest, asOf, since)
      if (seen === undefined) return undefined
      const before = deployment.previous ?? table
      const compared = yield* besideBefore(child, own, seen, { asOf, before, since, table })
      return compared === undefined ? undefined : whyDismissed(compared, models.rollbackThreshold)
    })

  /** The policy that votes goes where it can answer nothing any more, or has done worse than it may. */
  const judgeChampion = (child: ChildProcess.Child, own: TimeFrame, asOf: number) =>
    Effect.gen(function* () {
      const votes = champion(policies, own)
      const table = voter.active()
      if (votes === undefined || table === null) return
      const { deployment } = votes
      const version = votes.manifest.digest
      const reason =
        whyNothing(yield* describe(version), { horizonBars, timeFrame: own }, trainings.bars.isFollowed) ??
        (yield* whyWorse(child, own, votes, { asOf, table: table.version }))
      if (reason === undefined) return
      if (champion(policies, own)?.manifest.digest !== version) return yield* tooLate(deployment.alias)
      yield* Effect.logWarning(`The policy ${version.slice(0, 12)} votes no longer: ${reason}`)
      yield* trainings.vote(own, table.version, deployment, { since: asOf, reason })
    })

  const alone = <E extends { readonly message: string }>(what: string, review: Effect.Effect<void, E>) =>
    Effect.catchAll(review, (error) => Effect.logWarning(`${what} was not reviewed: ${error.message}`))

  return {
    /** All policies of the feed's time frame. One that is still going on when the next is due does for it. */
    review: (own: TimeFrame, asOf: number) =>
      oneReview.withPermitsIfAvailable(1)(
        Effect.scoped(
          Effect.gen(function* () {
            const child = yield* startModelRun(trainings.modelHost)
            yield* alone("The policy that votes", judgeChampion(child, own, asOf))
            for (const deployment of [...policies.deployments.values()]) {
              const manifest = policies.manifests.get(deployment.version)
              if (manifest?.timeFrame !== own || deployment.alias === servingAlias(own)) continue
              yield* alone(deployment.alias, calibrateAnew(child, own, deployment, asOf))
            }
          })
        )
      ),
    /** Whether there is anything to look at. */
    isDue: () => policies.manifests.size > 0
  }
}
