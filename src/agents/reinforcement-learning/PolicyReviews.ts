/**
 * What has become of the policies: on outcomes that have matured since each was made its calibrator is learned again where that
 * is better, and a policy that votes goes where it has become worse than what voted before it, or than the base rate by more
 * than is allowed. The rules are those of networks (`../deep-learning/review.ts`).
 *
 * What can go wrong: the context, the model manager, the process that runs models; what keeps one from being looked at keeps no
 * other.
 */
import { Effect } from "effect"
import type { Deployment } from "../../protocols/Model.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import { learnedTo } from "../deep-learning/Deployed.ts"
import {
  compareMatured,
  maturedRows,
  recalibratedVersion,
  recalibration,
  whyDismissed
} from "../deep-learning/review.ts"
import { startModelRun } from "../training/ModelRun.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import { champion, servingAlias } from "./Policies.ts"
import { panelBars } from "./PolicyAnswers.ts"
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

  /** Up to when the policy of a version had learned. */
  const learnedToOf = ({ since, version }: Deployment): number =>
    policies.manifests.get(version)?.metrics.find(({ name }) => name === learnedTo)?.value ?? since

  /** A version, its bars, and the questions behind an instant that have matured. */
  const looked = (own: TimeFrame, version: string, asOf: number, since: number) =>
    Effect.gen(function* () {
      const trained = yield* describe(version)
      const count = Math.ceil(reviewRowsMax / trained.instruments.length) + panelBars
      const [first, ...rest] = yield* trainings.latestBars(own, trained, asOf, count)
      if (first === undefined) return undefined
      const series: Panel = [first, ...rest]
      const rows = yield* maturedRows(series, since, { barsBefore: panelBars, horizonBars, costs })
      const artefact = yield* artefacts.fetch(version)
      return rows.rows === 0 ? undefined : { series, rows, policy: { artefact, trained, version } }
    })

  /** A policy with a calibrator that was learned from what has matured since it was trained. */
  const calibrateAnew = (child: ChildProcess.Child, own: TimeFrame, deployment: Deployment, asOf: number) =>
    Effect.gen(function* () {
      const { alias, version } = deployment
      const manifest = policies.manifests.get(version)
      const since = learnedToOf(deployment)
      const seen = yield* looked(own, version, asOf, since)
      if (manifest === undefined || seen === undefined) return
      const { policy, rows, series } = seen
      const better = yield* recalibration(yield* answersOfPolicy(child, policy, series, rows), rows)
      if (better === undefined) return
      const fitted = recalibratedVersion({ artefact: policy.artefact, manifest }, better, { since, asOf })
      if (fitted === undefined) return
      const next = yield* trainings.publish(fitted, version)
      yield* trainings.activate(alias, next.digest, asOf, fitted.reason)
    })

  /** The policy that votes, beside what voted before it. */
  const judgeChampion = (child: ChildProcess.Child, own: TimeFrame, asOf: number) =>
    Effect.gen(function* () {
      const votes = champion(policies, own)
      const table = voter.active()
      if (votes === undefined || table === null) return
      const { previous, since } = votes.deployment
      const version = votes.manifest.digest
      const before = previous ?? table.version
      const seen = yield* looked(own, version, asOf, since)
      if (seen === undefined) return
      const { policy, rows, series } = seen
      const artefact = yield* artefacts.fetch(before)
      const asked = policies.manifests.has(before)
        ? answersOfPolicy(
            child,
            { artefact, trained: yield* describe(before), version: before },
            series,
            rows
          )
        : answersOfTable(child, { artefact, version: before }, series, rows)
      const compared = yield* compareMatured(
        yield* answersOfPolicy(child, policy, series, rows),
        yield* asked,
        rows,
        { horizonBars, seed: run.seed }
      )
      const reason = compared === undefined ? undefined : whyDismissed(compared, models.rollbackThreshold)
      if (reason === undefined) return
      yield* Effect.logWarning(`The policy ${version.slice(0, 12)} votes no longer: ${reason}`)
      yield* trainings.vote(own, table.version, asOf, reason)
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
