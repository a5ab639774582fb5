/** Model versions and what serves: immutable artefacts named by their content, and aliases that point at them. */
import { Schema } from "effect"
import { TimeFrame } from "./TimeFrame.ts"
import * as EventType from "./wire/EventType.ts"
import { Digest, EpochMs, Identifier, Reason } from "./wire/Ids.ts"
import { contentHash } from "./wire/Json.ts"
import { Limits } from "./wire/Limits.ts"

/** Named, ordered inputs of a model; its hash is the hash of the names and their definitions' version. */
export const FeatureSchema = Schema.Struct({
  version: Schema.Int,
  names: Schema.Array(Identifier).pipe(Schema.minItems(1), Schema.maxItems(1_000))
})
export type FeatureSchema = typeof FeatureSchema.Type

export const featureSchemaHash = ({ names, version }: FeatureSchema): string =>
  contentHash({ names, version })

export const Metric = Schema.Struct({ name: Identifier, value: Schema.Finite })
export type Metric = typeof Metric.Type

export const ModelManifest = Schema.Struct({
  /** SHA-256 of the artefact: the version itself. */
  digest: Digest,
  bytes: Schema.Int.pipe(Schema.between(1, Limits.artefactBytesMax)),
  kind: Identifier,
  voter: Identifier,
  timeFrame: TimeFrame,
  horizonBars: Schema.Int,
  parent: Schema.NullOr(Digest),
  features: FeatureSchema,
  /** The as-ofs that its training rows came from, and how many rows there were. */
  data: Schema.Struct({ from: EpochMs, to: EpochMs, rows: Schema.NonNegativeInt }),
  /** The as-of at which it was fitted: nothing later went in. */
  fittedAsOf: EpochMs,
  configuration: Digest,
  seed: Schema.NonNegativeInt,
  metrics: Schema.Array(Metric)
})
export type ModelManifest = typeof ModelManifest.Type

export const Alias = Schema.String.pipe(
  Schema.maxLength(Limits.identifierCharsMax),
  Schema.pattern(/^[a-z0-9][a-z0-9-]*(\/[a-z0-9][a-z0-9-]*)*$/, {
    message: () => "expected lower-case words joined by '/', like deep-learning/linear/1h"
  })
)

export const Deployment = Schema.Struct({
  alias: Alias,
  version: Digest,
  /** What served before: the first fallback. */
  previous: Schema.NullOr(Digest),
  /** Share of the questions it answers; 1 for all. */
  share: Schema.Finite.pipe(Schema.between(0, 1)),
  since: EpochMs,
  reason: Reason
})
export type Deployment = typeof Deployment.Type

export const VersionPublished = EventType.make({
  type: "VersionPublished",
  version: 1,
  schema: ModelManifest
})
export const DeploymentActivated = EventType.make({
  type: "DeploymentActivated",
  version: 1,
  schema: Deployment
})
/** The artefact was removed by retention; its manifest stays. */
export const VersionRetired = EventType.make({
  type: "VersionRetired",
  version: 1,
  schema: Schema.Struct({ digest: Digest, reason: Reason })
})

export const modelsStream = "models"
export const modelEvents = [VersionPublished, DeploymentActivated, VersionRetired] as const
export type ModelEvent = EventType.EventOf<(typeof modelEvents)[number]>
