/** A voter's models at the model manager: publishing, activating and fetching, with the latest artefacts at hand. */
import { Effect } from "effect"
import { ArtefactRefused } from "../../protocols/errors.ts"
import type { Deployment, ModelManifest } from "../../protocols/Model.ts"
import type { ModelManagerControlRpcs, ModelManagerRpcs } from "../../protocols/rpc/ModelManagerRpcs.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import type * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import type { Fitted } from "./Learner.ts"

/** Artefacts kept in memory: what serves, what served before, networks, and one that is being asked about again. */
const cachedMax = 16

export const make = (
  manager: BusRpcClient.ClientOf<typeof ModelManagerRpcs>,
  control: BusRpcClient.ClientOf<typeof ModelManagerControlRpcs>
) => {
  const cache = new Map<string, Uint8Array>()
  const keep = (digest: string, bytes: Uint8Array) => {
    cache.delete(digest)
    cache.set(digest, bytes)
    for (const oldest of cache.keys()) {
      if (cache.size <= cachedMax) break
      cache.delete(oldest)
    }
    return bytes
  }

  const fetch = (digest: string) =>
    Effect.gen(function* () {
      const cached = cache.get(digest)
      if (cached !== undefined) return cached
      const first = yield* manager.Fetch({ version: digest, offset: 0 })
      const bytes = new Uint8Array(first.bytes)
      bytes.set(first.chunk)
      for (let at = first.chunk.byteLength; at < bytes.byteLength; ) {
        const { chunk } = yield* manager.Fetch({ version: digest, offset: at })
        if (chunk.byteLength === 0 || at + chunk.byteLength > bytes.byteLength) {
          return yield* new ArtefactRefused({ digest, reason: "its pieces do not add up" })
        }
        bytes.set(chunk, at)
        at += chunk.byteLength
      }
      if (sha256(bytes) !== digest) {
        return yield* new ArtefactRefused({ digest, reason: "what arrived does not match its digest" })
      }
      return keep(digest, bytes)
    })

  /** Takes a model to the model manager, where it serves nothing yet. */
  const publish = (fitted: Fitted, parent: string | null) =>
    Effect.gen(function* () {
      const { artefact } = fitted
      const digest = sha256(artefact)
      const manifest: ModelManifest = { ...fitted.manifest, digest, bytes: artefact.byteLength, parent }
      for (let offset = 0; offset < artefact.byteLength; offset += Limits.artefactChunkBytes) {
        const chunk = artefact.subarray(offset, offset + Limits.artefactChunkBytes)
        const { complete } = yield* control.Publish({ manifest, offset, chunk })
        // It was there already.
        if (complete) break
      }
      keep(digest, artefact)
      return manifest
    })

  /** Makes a version serve in the place of the one that does. */
  const activate = (
    alias: string,
    version: string,
    active: Deployment | null,
    why: { readonly since: number; readonly reason: string }
  ) => control.Activate({ alias, version, expected: active?.version ?? null, ...why })

  /** Publishes a model and makes it serve in the place of the one that does. */
  const deploy = (alias: string, fitted: Fitted, active: Deployment | null, since?: number) =>
    Effect.flatMap(publish(fitted, active?.version ?? null), ({ digest, fittedAsOf }) =>
      activate(alias, digest, active, { since: since ?? fittedAsOf, reason: fitted.reason })
    )

  return { fetch, publish, activate, deploy, active: (alias: string) => manager.Active({ alias }) }
}
