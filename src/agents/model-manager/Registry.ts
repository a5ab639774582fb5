/** Which versions there are and which serve what: a fold over the models' stream. */
import { Schema } from "effect"
import { Deployment, type ModelEvent, ModelManifest } from "../../protocols/Model.ts"
import { Digest } from "../../protocols/wire/Ids.ts"

export const Registry = Schema.Struct({
  /** Oldest first. */
  versions: Schema.Array(ModelManifest),
  /** By alias, what serves it now. */
  deployments: Schema.Array(Deployment),
  /** Versions whose artefacts retention has removed. */
  retired: Schema.Array(Digest)
})
export type Registry = typeof Registry.Type

export const empty: Registry = { versions: [], deployments: [], retired: [] }

export const evolve = (registry: Registry, event: ModelEvent): Registry => {
  switch (event.type) {
    case "VersionPublished": {
      const others = registry.versions.filter(({ digest }) => digest !== event.payload.digest)
      const retired = registry.retired.filter((digest) => digest !== event.payload.digest)
      return { ...registry, versions: [...others, event.payload], retired }
    }
    case "DeploymentActivated": {
      const others = registry.deployments.filter(({ alias }) => alias !== event.payload.alias)
      return { ...registry, deployments: [...others, event.payload] }
    }
    case "VersionRetired":
      return { ...registry, retired: [...registry.retired, event.payload.digest] }
  }
}

export const activeOf = (registry: Registry, alias: string) =>
  registry.deployments.find((deployment) => deployment.alias === alias)

/** How much worse than the base rate a version was on the outcomes it was validated on, in nats. */
export const excessLoss = (manifest: ModelManifest): number => {
  const metric = (name: string) => manifest.metrics.find((candidate) => candidate.name === name)?.value
  const own = metric("log-loss")
  const base = metric("base-log-loss")
  return own === undefined || base === undefined ? 0 : own - base
}

/** Versions beyond what is kept of each voter and time frame: the oldest that serve nothing. */
export const surplus = (registry: Registry, versionsMax: number): ReadonlyArray<string> => {
  const serving = new Set(
    registry.deployments.flatMap(({ previous, version }) =>
      previous === null ? [version] : [version, previous]
    )
  )
  const kept = new Map<string, number>()
  const gone: Array<string> = []
  for (const { digest, timeFrame, voter } of [...registry.versions].reverse()) {
    if (registry.retired.includes(digest)) continue
    const family = `${voter}/${timeFrame}`
    const count = (kept.get(family) ?? 0) + 1
    if (count > versionsMax && !serving.has(digest)) gone.push(digest)
    else kept.set(family, count)
  }
  return gone.reverse()
}
