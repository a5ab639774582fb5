/** Manifests of models that nobody has trained. */

import { enveloped } from "../../../src/agents/NodeContext.ts"
import { Alias, type Deployment, type ModelEvent, type ModelManifest } from "../../../src/protocols/Model.ts"
import { Epoch } from "../../../src/protocols/wire/Ids.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { asOfAt, run, timeFrame } from "../feedEvents.ts"

export const artefactOf = (name: string): Uint8Array => Buffer.from(`artefact ${name} `.repeat(40))

export const manifestOf = (name: string, changes: Partial<ModelManifest> = {}): ModelManifest => {
  const bytes = artefactOf(name)
  return {
    digest: sha256(bytes),
    bytes: bytes.byteLength,
    kind: "linear",
    voter: "deep-learning",
    timeFrame,
    horizonBars: 4,
    parent: null,
    features: { version: 1, names: ["ret_1"] },
    data: { from: asOfAt(0), to: asOfAt(100), rows: 100 },
    fittedAsOf: asOfAt(100),
    configuration: "c".repeat(64),
    seed: 1,
    metrics: [
      { name: "log-loss", value: 1 },
      { name: "base-log-loss", value: 1.05 }
    ],
    ...changes
  }
}

export const alias = Alias.make("deep-learning/linear/1h")

const event = <Type extends ModelEvent["type"]>(
  type: Type,
  payload: Extract<ModelEvent, { readonly type: Type }>["payload"]
): ModelEvent =>
  ({
    ...enveloped({ run, source: "model-manager", asOf: 0, subject: type }, payload),
    type,
    version: 1,
    epoch: Epoch.make(1)
  }) as ModelEvent

export const published = (manifest: ModelManifest): ModelEvent => event("VersionPublished", manifest)
export const retired = (digest: string): ModelEvent =>
  event("VersionRetired", { digest, reason: "more than 3 versions" })
export const activated = (version: string, changes: Partial<Deployment> = {}): ModelEvent =>
  event("DeploymentActivated", {
    alias,
    version,
    previous: null,
    share: 1,
    since: asOfAt(100),
    reason: "it was better",
    ...changes
  })
