/** The trial that `conclave train` is. */
import { Either } from "effect"
import { checkModel } from "../agents/training/ModelFile.ts"
import { networkManifestOf } from "../agents/training/networkManifest.ts"
import { trainingTrial } from "../agents/training/trainingTrial.ts"
import type { Trial } from "../learning/evaluation/Trials.ts"

/**
 * The one that a running agent would have entered of the same training. The left says why there is none, as the end of a
 * sentence.
 * @param knownTo when the last outcome was known that it was judged by
 */
export const trainedTrial = (
  artefact: Uint8Array,
  knownTo: number,
  at: number
): Either.Either<Trial, string> =>
  Either.flatMap(checkModel(artefact), (model) => {
    const { trained } = model
    const manifest = trained === undefined ? undefined : networkManifestOf(model, trained, knownTo)
    return trained === undefined || manifest === undefined
      ? Either.left("the file does not say how it was trained")
      : Either.right(trainingTrial({ manifest }, trained.data.heldOutFrom, at))
  })
