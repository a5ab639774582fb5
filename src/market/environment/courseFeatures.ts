/**
 * Features of every bar as one matrix, of a definition in `sequenceFeatures`: the ten of `bars` are the state of the
 * trading environment. They come unscaled; `fitScaling` and `applyScaling` follow.
 */
import type { SequenceBars, SequenceFeatures } from "../SequenceFeatures.ts"
import type { FeatureMatrix } from "./Scaling.ts"

/** Bars between two chances for others to run: some two milliseconds. */
const sliceBars = 300

export function* courseFeatures(
  series: SequenceBars,
  { fill, lookBack, names }: SequenceFeatures
): Generator<void, FeatureMatrix> {
  const bars = series.close.length
  const values = new Float32Array(bars * names.length)
  const first = Math.min(lookBack, bars)
  for (let bar = first; bar < bars; bar++) {
    if (bar % sliceBars === 0) yield
    fill(series, bar, values, bar * names.length)
  }
  return { names, values, first }
}
