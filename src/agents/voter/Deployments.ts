/**
 * How an agent deploys what it makes beside its voter's own models (networks, policies), each under a name of its own, and how
 * one of them comes to vote.
 *
 * What can go wrong: the model manager refuses a version (ArtefactRefused), or something else serves than the caller knows of
 * (DeploymentConflict).
 * Invariant: what serves is replaced by somebody who knew what it was: who comes too late changes nothing.
 */
import { Effect } from "effect"
import type { Deployment, ModelManifest } from "../../protocols/Model.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type { Voter } from "./Addition.ts"
import type { Fitted } from "./Learner.ts"

export interface DeploymentParts {
  readonly voter: Pick<Voter<unknown>, "active" | "artefacts">
  /** Of what the agent makes, by digest. */
  readonly manifests: Map<string, ModelManifest>
  /** Of the agent, by alias. */
  readonly deployments: Map<string, Deployment>
  /** The name of its own; undefined for what the agent does not make. */
  readonly aliasOf: (kind: string, timeFrame: TimeFrame) => string | undefined
  /** What names who votes. */
  readonly servingAlias: (timeFrame: TimeFrame) => string
  /** Why the voter's own model votes before any of them has done better. */
  readonly untilBetter: string
}

/** Why something serves, and since when. */
interface Why {
  readonly since: number
  readonly reason: string
}

/** Told in the log by a review of what no longer serves at its end. */
export const tooLate = (alias: string) =>
  Effect.logInfo(`A review of ${alias} came to nothing: something else has been deployed meanwhile.`)

export const makeDeployments = (parts: DeploymentParts) => {
  const { aliasOf, deployments, manifests, servingAlias, untilBetter, voter } = parts
  const { artefacts } = voter

  const publish = (fitted: Fitted, parent: string | null) =>
    Effect.tap(artefacts.publish(fitted, parent), (manifest) =>
      Effect.sync(() => manifests.set(manifest.digest, manifest))
    )

  /**
   * What was done is known before it comes back from the journal.
   * @param expected what serves as far as the caller knows; where something else does, it is refused
   */
  const activate = (alias: string, version: string, expected: Deployment | undefined, why: Why) =>
    Effect.tap(
      artefacts.activate(alias, version, expected ?? null, { ...why, reason: truncateReason(why.reason) }),
      (deployment) => Effect.sync(() => deployments.set(alias, deployment))
    )

  /**
   * Deploys a version under its own name; false where the model manager refuses it.
   * @param since of one that is not the latest; else it is the latest, which also replaces what was made of the version before
   * it meanwhile
   */
  const deploy = (fitted: Fitted, since?: number) =>
    Effect.gen(function* () {
      const { kind, timeFrame } = fitted.manifest
      const alias = aliasOf(kind, timeFrame)
      if (alias === undefined) return false
      const active = deployments.get(alias)
      const { digest, fittedAsOf } = yield* publish(fitted, active?.version ?? null)
      const why = { since: since ?? fittedAsOf, reason: fitted.reason }
      const anew = Effect.flatMap(artefacts.active(alias), (now) =>
        activate(alias, digest, now ?? undefined, why)
      )
      return yield* activate(alias, digest, active, why).pipe(
        Effect.catchTag("DeploymentConflict", (conflict) => (since === undefined ? anew : conflict)),
        Effect.as(true),
        Effect.catchTag("ArtefactRefused", (refused) => Effect.as(Effect.logInfo(refused.message), false))
      )
    })

  /** @param expected what names who votes as far as the caller knows */
  const vote = (timeFrame: TimeFrame, version: string, expected: Deployment | undefined, why: Why) =>
    Effect.gen(function* () {
      const alias = servingAlias(timeFrame)
      const own = voter.active()
      // What it votes in the place of is there to go back to.
      const before =
        expected === undefined && own?.alias.endsWith(`/${timeFrame}`) === true
          ? yield* activate(alias, own.version, expected, { since: own.since, reason: untilBetter })
          : expected
      return yield* activate(alias, version, before, why)
    })

  /**
   * Deploys what has just been trained, and lets it vote where it has been shown to be better than the voter's own model.
   * @param whyNotBetter why it is not to vote in the place of one that votes already; undefined where it may
   */
  const place = <E, R>(
    fitted: Fitted,
    isBetter: boolean,
    whyNotBetter: Effect.Effect<string | undefined, E, R>
  ) =>
    Effect.gen(function* () {
      const { fittedAsOf, timeFrame } = fitted.manifest
      const { reason } = fitted
      const version = sha256(fitted.artefact)
      const isDeployed = yield* deploy(fitted)
      if (!isDeployed || !isBetter) return { isDeployed, isServing: false, reason }
      const expected = deployments.get(servingAlias(timeFrame))
      if (expected?.version === version) return { isDeployed, isServing: true, reason }
      const whyNot =
        (yield* whyNotBetter) ??
        (yield* vote(timeFrame, version, expected, { since: fittedAsOf, reason }).pipe(
          Effect.as(undefined),
          Effect.catchTag("DeploymentConflict", ({ message }) => Effect.succeed(message))
        ))
      return whyNot === undefined
        ? { isDeployed, isServing: true, reason }
        : { isDeployed, isServing: false, reason: truncateReason(`${reason}; it does not vote: ${whyNot}`) }
    })

  return { publish, activate, deploy, vote, place }
}
