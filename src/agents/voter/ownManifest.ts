/** The manifest of a version in its own metadata: what is known of it without the model manager. */
import { Either, Schema } from "effect"
import { ModelManifest } from "../../protocols/Model.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import type { Fitted } from "./Learner.ts"

const key = "manifest"
const FromText = Schema.parseJson(ModelManifest.omit("digest", "bytes", "parent"))

export const manifestMetadata = (manifest: Fitted["manifest"]): Readonly<Record<string, string>> => ({
  [key]: canonicalJson(manifest)
})

/** Undefined where there is none, or what is there is something else. */
export const readOwnManifest = (metadata: ReadonlyMap<string, string>): Fitted["manifest"] | undefined =>
  Either.getOrUndefined(Schema.decodeUnknownEither(FromText)(metadata.get(key) ?? ""))
