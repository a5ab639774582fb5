/**
 * The latest feature vectors of instruments that are followed together (InstrumentFeatures.ts): of each instrument as many as
 * a model sees at a time, kept as the bars come. Memory is that of so many vectors an instrument, however long it goes on.
 *
 * What can go wrong: what InstrumentFeatures.ts throws, before anything is taken.
 * Invariant: where a window is given it follows from the last `instrumentLookBack + length` bars of the instrument and what
 * the others did in that time, so that it does not matter at which bar before these the following began.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import { asNumber, type FeatureValue } from "./FeatureValue.ts"
import { instrumentFeatureSchema, instrumentLookBack, makeInstrumentFeatures } from "./InstrumentFeatures.ts"

export interface InstrumentWindows {
  /** Takes the bars of an as-of. */
  readonly push: (asOf: number, bars: ReadonlyArray<Bar>) => void
  /**
   * The vectors of an instrument's last bars, [length, features], oldest first, NaN where a feature is absent; undefined where
   * too few of its bars have been taken, or the last of them is not of that as-of.
   */
  readonly at: (instrument: InstrumentId, asOf: number) => Float32Array | undefined
}

interface Kept {
  /** [length, features], a ring. */
  readonly ring: Float32Array
  bars: number
  /** As-of of its last bar. */
  asOf: number
}

/** @param length vectors of a window */
export const makeInstrumentWindows = (
  instruments: ReadonlyArray<InstrumentId>,
  length: number
): InstrumentWindows => {
  const width = instrumentFeatureSchema.names.length
  const features = makeInstrumentFeatures(instruments)
  const all = new Map(
    instruments.map((instrument): readonly [InstrumentId, Kept] => [
      instrument,
      { ring: new Float32Array(length * width), bars: 0, asOf: Number.NEGATIVE_INFINITY }
    ])
  )
  return {
    push: (asOf, bars) => {
      const vectors = features.push(asOf, bars)
      bars.forEach(({ instrument }, i) => {
        const kept = all.get(instrument)
        const values = vectors[i]?.values
        if (kept === undefined || values === undefined) return
        const at = (kept.bars % length) * width
        for (let k = 0; k < width; k++) kept.ring[at + k] = asNumber(values[k] as FeatureValue)
        kept.bars++
        kept.asOf = asOf
      })
    },
    at: (instrument, asOf) => {
      const kept = all.get(instrument)
      if (kept === undefined || kept.asOf !== asOf || kept.bars < instrumentLookBack + length)
        return undefined
      const { bars, ring } = kept
      const window = new Float32Array(length * width)
      const oldest = (bars % length) * width
      window.set(ring.subarray(oldest))
      window.set(ring.subarray(0, oldest), ring.length - oldest)
      return window
    }
  }
}
