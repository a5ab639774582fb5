/**
 * Features of every bar as one matrix, of a definition in `sequenceFeatures`: what courses of simulated worlds are given.
 * They come unscaled.
 */
import type { SequenceBars, SequenceFeatures } from "../SequenceFeatures.ts"
import type { CourseFeatures } from "./Course.ts"

/** Bars between two chances for others to run: some two milliseconds. */
const sliceBars = 300

export function* courseFeatures(
  series: SequenceBars,
  { fill, lookBack, names }: SequenceFeatures
): Generator<void, CourseFeatures> {
  const bars = series.close.length
  const values = new Float32Array(bars * names.length)
  const first = Math.min(lookBack, bars)
  for (let bar = first; bar < bars; bar++) {
    if (bar % sliceBars === 0) yield
    fill(series, bar, values, bar * names.length)
  }
  return { names, values, first }
}
