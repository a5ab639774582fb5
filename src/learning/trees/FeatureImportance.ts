/**
 * How much an ensemble makes of each feature, as XGBoost counts it.
 *
 *   weight   the number of splits on the feature
 *   gain     their mean gain
 *   cover    their mean cover
 *
 * Totals are the means times the weight. A feature that no split uses has 0 everywhere.
 */
import type { TreeEnsemble } from "./TreeEnsemble.ts"

export interface FeatureImportance {
  readonly weight: Float64Array
  readonly gain: Float64Array
  readonly cover: Float64Array
}

export const importanceOf = (ensemble: TreeEnsemble): FeatureImportance => {
  const weight = new Float64Array(ensemble.features)
  const gain = new Float64Array(ensemble.features)
  const cover = new Float64Array(ensemble.features)
  for (let node = 0; node < ensemble.left.length; node++) {
    if ((ensemble.left[node] as number) < 0) continue
    const of = ensemble.feature[node] as number
    weight[of] = (weight[of] as number) + 1
    gain[of] = (gain[of] as number) + (ensemble.gain[node] as number)
    cover[of] = (cover[of] as number) + (ensemble.cover[node] as number)
  }
  for (let of = 0; of < weight.length; of++) {
    const splits = Math.max(1, weight[of] as number)
    gain[of] = (gain[of] as number) / splits
    cover[of] = (cover[of] as number) / splits
  }
  return { weight, gain, cover }
}
