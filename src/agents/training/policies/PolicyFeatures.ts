/**
 * What a policy sees of the bars of instruments that are followed together, as rows of raw features: what is absent is, as the
 * model is told of it, as usual (the mean of the training range).
 *
 * Invariant: the row of an as-of follows from the bars up to it.
 */
import type { FeatureMatrix } from "../../../market/features/FeatureMatrix.ts"
import type { FeatureScaling } from "../../../market/features/FeatureScaling.ts"
import type { FillInput } from "../ModelInput.ts"

/** @param matrices of the instruments, in the order in which rows name them */
export const fillOf =
  (matrices: ReadonlyArray<FeatureMatrix>, { means }: Pick<FeatureScaling, "means">): FillInput =>
  (instrument, bar, out, at) => {
    const { matrix } = matrices[instrument] as FeatureMatrix
    const width = means.length
    for (let k = 0; k < width; k++) {
      const value = matrix[bar * width + k] as number
      out[at + k] = Number.isNaN(value) ? (means[k] as number) : value
    }
  }
