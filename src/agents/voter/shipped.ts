/**
 * Models that came with the program: they serve from the first bar on, until something has been learned from what is seen.
 *
 * What can go wrong: a file that is damaged or no model; it is left out, with a line in the log, and so is what is of another
 * time frame or horizon, silently.
 */
import { existsSync, readdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Either } from "effect"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { type ModelFile, readModelFile } from "../training/ModelFile.ts"
import { networkManifestOf } from "../training/networkManifest.ts"
import type { Fitted } from "./Learner.ts"
import { readOwnManifest } from "./ownManifest.ts"

const filesMax = 64

/** What a file says of itself; undefined where it does not say enough to be deployed. */
export const fittedOf = (model: ModelFile): Fitted | undefined => {
  const { bytes, description, trained } = model
  const manifest =
    trained === undefined
      ? readOwnManifest(description.metadata)
      : networkManifestOf(model, trained, trained.data.knownTo)
  return manifest === undefined ? undefined : { artefact: bytes, manifest, reason: "came with the program" }
}

/** Those of a folder that are of a time frame and a horizon; the folder is taken relative to the program's. */
export const shippedModels = (
  place: { readonly root: string; readonly folder: string },
  wanted: { readonly voter: string; readonly timeFrame: TimeFrame; readonly horizonBars: number }
): Effect.Effect<ReadonlyArray<Fitted>> =>
  Effect.gen(function* () {
    const folder = resolve(place.root, place.folder)
    if (!existsSync(folder)) return []
    const listed = yield* Effect.either(
      Effect.try({ try: () => readdirSync(folder), catch: (cause) => (cause as Error).message })
    )
    if (Either.isLeft(listed)) {
      yield* Effect.logWarning(
        `The folder of models that came with the program cannot be read: ${listed.left}`
      )
      return []
    }
    const names = listed.right.filter((name) => name.endsWith(".onnx"))
    const found: Array<Fitted> = []
    for (const name of names.sort().slice(0, filesMax)) {
      const model = yield* Effect.either(readModelFile(join(folder, name)))
      if (Either.isLeft(model)) {
        yield* Effect.logWarning(model.left.message)
        continue
      }
      const fitted = fittedOf(model.right)
      if (
        fitted !== undefined &&
        fitted.manifest.voter === wanted.voter &&
        fitted.manifest.horizonBars === wanted.horizonBars &&
        toMs(fitted.manifest.timeFrame) === toMs(wanted.timeFrame)
      ) {
        found.push(fitted)
      }
    }
    return found
  })
