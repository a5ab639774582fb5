/**
 * Which networks there are and which model votes: a fold over the models' events.
 *
 * Every network has an alias of its own, `deep-learning/network-lstm/1m`, under which its latest sound version can be
 * asked. `deep-learning/serving/1m` names what votes: a network that was shown to be better than the linear forecaster.
 * Where it names none, the linear forecaster votes.
 */
import { linearKind } from "../../learning/LinearOpinion.ts"
import type { Deployment, ModelEvent, ModelManifest } from "../../protocols/Model.ts"
import { type ModelStanding, NetworkModel } from "../../protocols/Prediction.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"

const prefix = "network-"

export interface Deployed {
  /** Of networks, by digest. */
  readonly manifests: Map<string, ModelManifest>
  /** The latest of the linear forecaster. */
  linear: ModelManifest | undefined
  /** Of this agent, by alias. */
  readonly deployments: Map<string, Deployment>
}

export const noneDeployed = (): Deployed => ({
  manifests: new Map(),
  linear: undefined,
  deployments: new Map()
})

export const networkKindOf = (model: NetworkModel): string => `${prefix}${model}`

/** The network that artefacts of a kind are of. */
export const modelOfKind = (kind: string): NetworkModel | undefined =>
  NetworkModel.literals.find((model) => networkKindOf(model) === kind)

export const networkAlias = (model: NetworkModel, timeFrame: TimeFrame): string =>
  `deep-learning/${networkKindOf(model)}/${timeFrame}`

export const servingAlias = (timeFrame: TimeFrame): string => `deep-learning/serving/${timeFrame}`

/** Changes it in place. */
export const evolveDeployed = (deployed: Deployed, event: ModelEvent): Deployed => {
  switch (event.type) {
    case "VersionPublished": {
      if (modelOfKind(event.payload.kind) !== undefined)
        deployed.manifests.set(event.payload.digest, event.payload)
      if (event.payload.voter === "deep-learning" && event.payload.kind === linearKind) {
        deployed.linear = event.payload
      }
      break
    }
    case "DeploymentActivated": {
      if (event.payload.alias.startsWith("deep-learning/")) {
        deployed.deployments.set(event.payload.alias, event.payload)
      }
      break
    }
    case "VersionRetired":
      deployed.manifests.delete(event.payload.digest)
  }
  return deployed
}

export const networkDeployment = ({ deployments }: Deployed, model: NetworkModel, timeFrame: TimeFrame) =>
  deployments.get(networkAlias(model, timeFrame))

/** Metric of a version that was calibrated anew: up to when its network had learned. */
export const learnedTo = "learned-to"

export interface Champion {
  /** By which it votes: since when, and what voted before. */
  readonly deployment: Deployment
  /** The version that votes: the one that was promoted, or the same network calibrated anew. */
  readonly manifest: ModelManifest
  /** As-of up to which that version had learned anything. */
  readonly since: number
}

/**
 * What votes by an alias that names it, if anything does.
 * @param manifests of what may vote so; what they do not have is the voter's own
 * @param latestOf the deployment under its own name of what artefacts of a kind are of
 */
export const championOf = (
  { deployments, manifests }: Pick<Deployed, "deployments" | "manifests">,
  serving: string,
  latestOf: (kind: string) => Deployment | undefined
): Champion | undefined => {
  const deployment = deployments.get(serving)
  const promoted = manifests.get(deployment?.version ?? "")
  if (deployment === undefined || promoted === undefined) return undefined
  const latest = latestOf(promoted.kind)
  const manifest = manifests.get(latest?.version ?? "")
  // Trained at one as-of as one configuration says, it is one model, to the byte.
  const isOfIt =
    manifest?.configuration === promoted.configuration &&
    manifest.metrics.some(({ name, value }) => name === learnedTo && value === promoted.fittedAsOf)
  return latest !== undefined && manifest !== undefined && isOfIt
    ? { deployment, manifest, since: latest.since }
    : { deployment, manifest: promoted, since: deployment.since }
}

/**
 * The version of the same model before the one that votes: the one that it was made in the place of. What is deployed
 * under its own name may be a later one, which does not vote.
 */
export const beforeOf = (manifests: Deployed["manifests"], champion: Champion | undefined): string | null => {
  const votes = champion?.manifest
  const before = votes?.parent == null ? undefined : manifests.get(votes.parent)
  return before !== undefined && before.kind === votes?.kind ? before.digest : null
}

/** The network that votes, if one does. */
export const champion = (deployed: Deployed, timeFrame: TimeFrame): Champion | undefined =>
  championOf(deployed, servingAlias(timeFrame), (kind) => {
    const model = modelOfKind(kind)
    return model === undefined ? undefined : networkDeployment(deployed, model, timeFrame)
  })

export const beforeChampion = (deployed: Deployed, timeFrame: TimeFrame): string | null =>
  beforeOf(deployed.manifests, champion(deployed, timeFrame))

/** Every model that can be asked, the linear forecaster first. */
export const standingsOf = (
  deployed: Deployed,
  linear: Deployment | null,
  timeFrame: TimeFrame | null,
  horizonBars: number
): ReadonlyArray<ModelStanding> => {
  const all: Array<ModelStanding> = []
  if (linear !== null && timeFrame !== null) {
    const { reason, since, version } = linear
    all.push({
      model: "linear",
      timeFrame,
      version,
      horizonBars,
      since,
      isServing: champion(deployed, timeFrame) === undefined,
      metrics: deployed.linear?.digest === version ? deployed.linear.metrics : [],
      reason
    })
  }
  for (const [alias, { reason, since, version }] of deployed.deployments) {
    const manifest = deployed.manifests.get(version)
    const model = modelOfKind(manifest?.kind ?? "")
    if (manifest === undefined || model === undefined || alias === servingAlias(manifest.timeFrame)) continue
    all.push({
      model,
      timeFrame: manifest.timeFrame,
      version,
      horizonBars: manifest.horizonBars,
      since,
      isServing: champion(deployed, manifest.timeFrame)?.manifest.digest === version,
      metrics: manifest.metrics,
      reason
    })
  }
  return all
}
