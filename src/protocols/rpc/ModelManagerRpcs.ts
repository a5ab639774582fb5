/**
 * Asking for model versions, and, on the branch that needs the operator's role, publishing and deploying them. A
 * deployment of an earlier version is a rollback.
 */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { ArtefactRefused, DeploymentConflict, StorageFailed, UnknownModel } from "../errors.ts"
import { Alias, Deployment, ModelManifest } from "../Model.ts"
import { Digest, EpochMs, Reason } from "../wire/Ids.ts"
import { Limits } from "../wire/Limits.ts"
import { call } from "../wire/Rpc.ts"

const Chunk = Schema.Uint8ArrayFromBase64

/**
 * Publishes an artefact, piece by piece: `offset` rises from 0, and the piece that completes it answers with
 * `complete`. Publishing what is already there changes nothing.
 */
export const Publish = call("Publish", {
  payload: { manifest: ModelManifest, offset: Schema.NonNegativeInt, chunk: Chunk },
  success: Schema.Struct({ complete: Schema.Boolean, received: Schema.NonNegativeInt }),
  error: Schema.Union(ArtefactRefused, StorageFailed)
})

/** Makes a version serve an alias, if what serves now is what the caller believes. */
export const Activate = call("Activate", {
  payload: {
    alias: Alias,
    version: Digest,
    expected: Schema.NullOr(Digest),
    since: EpochMs,
    reason: Reason
  },
  success: Deployment,
  error: Schema.Union(UnknownModel, DeploymentConflict, ArtefactRefused, StorageFailed)
})

/** What serves an alias; null when nothing does. */
export const Active = call("Active", { payload: { alias: Alias }, success: Schema.NullOr(Deployment) })

export const Manifest = call("Manifest", {
  payload: { version: Digest },
  success: ModelManifest,
  error: UnknownModel
})

/** A piece of an artefact, checked against its digest on disk before it is given out. */
export const Fetch = call("Fetch", {
  payload: { version: Digest, offset: Schema.NonNegativeInt },
  success: Schema.Struct({
    bytes: Schema.Int.pipe(Schema.between(1, Limits.artefactBytesMax)),
    chunk: Chunk
  }),
  error: Schema.Union(UnknownModel, ArtefactRefused, StorageFailed)
})

export const Models = call("Models", {
  payload: {},
  success: Schema.Struct({ deployments: Schema.Array(Deployment), versions: Schema.Array(ModelManifest) })
})

export class ModelManagerRpcs extends RpcGroup.make(Active, Manifest, Fetch, Models) {}

/** Served on the `control` branch. */
export class ModelManagerControlRpcs extends RpcGroup.make(Publish, Activate) {}
