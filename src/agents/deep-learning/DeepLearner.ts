/**
 * What the deep-learning agent makes of bars: the linear forecaster, which is a pure fold, and beside it the latest bars
 * that its networks see.
 */
import { Schema } from "effect"
import type { Settings } from "../Settings.ts"
import type { Learner } from "../voter/Learner.ts"
import {
  type BarWindows,
  decodeWindows,
  EncodedWindows,
  emptyWindows,
  encodeWindows,
  evolveWindows
} from "./BarWindows.ts"
import { type LinearEncoded, type LinearState, linearLearner } from "./LinearLearner.ts"

export interface DeepState {
  linear: LinearState
  windows: BarWindows
}

export interface DeepEncoded {
  readonly linear: LinearEncoded
  readonly windows: typeof EncodedWindows.Encoded
}

const Windows = Schema.transform(
  EncodedWindows,
  Schema.declare(
    (input): input is BarWindows => typeof input === "object" && input !== null && "windows" in input
  ),
  { strict: true, decode: decodeWindows, encode: encodeWindows }
)

export const deepLearner = (settings: Settings): Learner<DeepState, DeepEncoded> => {
  const linear = linearLearner(settings)
  return {
    ...linear,
    version: linear.version + 1,
    snapshot: Schema.mutable(Schema.Struct({ linear: linear.snapshot, windows: Windows })),
    initial: () => ({ linear: linear.initial(), windows: emptyWindows() }),
    evolve: (state, event) => {
      state.linear = linear.evolve(state.linear, event)
      state.windows = evolveWindows(state.windows, event)
      return state
    },
    timeFrame: (state) => linear.timeFrame(state.linear),
    isDue: (state, hasModel) => linear.isDue(state.linear, hasModel),
    fit: (state) => linear.fit(state.linear),
    window: (state, instrument, asOf) => linear.window(state.linear, instrument, asOf)
  }
}
