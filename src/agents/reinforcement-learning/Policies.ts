/**
 * Which deep policies there are and which model votes: a fold over the models' events.
 *
 * Every policy has an alias of its own, `reinforcement-learning/dqn/1m`, under which its latest sound version can be asked.
 * `reinforcement-learning/serving/1m` names what votes: a policy that was shown to be better than the Q-table. Where it names
 * none, the Q-table votes.
 */
import type { Deployment, ModelEvent, ModelManifest } from "../../protocols/Model.ts"
import { PolicyAlgorithm, type PolicyStanding } from "../../protocols/Strategy.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { beforeOf, type Champion, championOf, learnedTo } from "../deep-learning/Deployed.ts"
import { policyKind } from "../training/policies/trainPolicy.ts"

export const voterName = "reinforcement-learning"

export interface Policies {
  /** Of policies, by digest. */
  readonly manifests: Map<string, ModelManifest>
  /** Of this agent, by alias. */
  readonly deployments: Map<string, Deployment>
}

export const noPolicies = (): Policies => ({ manifests: new Map(), deployments: new Map() })

/** The algorithm that artefacts of a kind are of. */
export const algorithmOfKind = (kind: string): PolicyAlgorithm | undefined =>
  PolicyAlgorithm.literals.find((algorithm) => policyKind(algorithm) === kind)

export const policyAlias = (algorithm: PolicyAlgorithm, timeFrame: TimeFrame): string =>
  `${voterName}/${algorithm}/${timeFrame}`

export const servingAlias = (timeFrame: TimeFrame): string => `${voterName}/serving/${timeFrame}`

/** Changes it in place. */
export const evolvePolicies = (policies: Policies, event: ModelEvent): Policies => {
  switch (event.type) {
    case "VersionPublished":
      if (algorithmOfKind(event.payload.kind) !== undefined) {
        policies.manifests.set(event.payload.digest, event.payload)
      }
      break
    case "DeploymentActivated":
      if (event.payload.alias.startsWith(`${voterName}/`)) {
        policies.deployments.set(event.payload.alias, event.payload)
      }
      break
    case "VersionRetired":
      policies.manifests.delete(event.payload.digest)
  }
  return policies
}

export const policyDeployment = (
  { deployments }: Policies,
  algorithm: PolicyAlgorithm,
  timeFrame: TimeFrame
): Deployment | undefined => deployments.get(policyAlias(algorithm, timeFrame))

/** As-of up to which a version had learned, but for its calibrator. */
export const learnedToOf = ({ fittedAsOf, metrics }: ModelManifest): number =>
  metrics.find(({ name }) => name === learnedTo)?.value ?? fittedAsOf

/** The policy that votes, if one does. */
export const champion = (policies: Policies, timeFrame: TimeFrame): Champion | undefined =>
  championOf(policies, servingAlias(timeFrame), (kind) => {
    const algorithm = algorithmOfKind(kind)
    return algorithm === undefined ? undefined : policyDeployment(policies, algorithm, timeFrame)
  })

/** The version of the same policy before the one that votes. */
export const beforeChampion = (policies: Policies, timeFrame: TimeFrame): string | null =>
  beforeOf(policies.manifests, champion(policies, timeFrame))

/** Every policy that can be asked under its own name. */
export const standingsOf = (policies: Policies): ReadonlyArray<PolicyStanding> =>
  [...policies.deployments].flatMap(([alias, { reason, since, version }]) => {
    const manifest = policies.manifests.get(version)
    const algorithm = algorithmOfKind(manifest?.kind ?? "")
    if (manifest === undefined || algorithm === undefined || alias === servingAlias(manifest.timeFrame)) {
      return []
    }
    const { horizonBars, metrics, timeFrame } = manifest
    const isServing = champion(policies, timeFrame)?.manifest.digest === version
    return [{ algorithm, timeFrame, version, horizonBars, since, isServing, metrics, reason }]
  })
