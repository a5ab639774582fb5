/** A learner with the latest bars beside what it makes of them, for models that see more than its own do. */
import { Schema } from "effect"
import {
  type BarWindows,
  decodeWindows,
  EncodedWindows,
  emptyWindows,
  encodeWindows,
  evolveWindows
} from "../deep-learning/BarWindows.ts"
import type { Learner } from "./Learner.ts"

export interface Windowed<State> {
  /** The learner's. */
  own: State
  windows: BarWindows
}

export interface EncodedWindowed<Encoded> {
  readonly own: Encoded
  readonly windows: typeof EncodedWindows.Encoded
}

const Windows = Schema.transform(
  EncodedWindows,
  Schema.declare(
    (input): input is BarWindows => typeof input === "object" && input !== null && "windows" in input
  ),
  { strict: true, decode: decodeWindows, encode: encodeWindows }
)

/** Its models are the learner's: when they are due, how they are made, what they see. */
export const withWindows = <State, Encoded>(
  learner: Learner<State, Encoded>
): Learner<Windowed<State>, EncodedWindowed<Encoded>> => {
  const snapshot: Schema.Schema<Windowed<State>, EncodedWindowed<Encoded>> = Schema.mutable(
    Schema.Struct({ own: learner.snapshot, windows: Windows })
  )
  return {
    ...learner,
    version: learner.version + 2,
    snapshot,
    initial: () => ({ own: learner.initial(), windows: emptyWindows() }),
    evolve: (state, event) => {
      state.own = learner.evolve(state.own, event)
      state.windows = evolveWindows(state.windows, event)
      return state
    },
    timeFrame: (state) => learner.timeFrame(state.own),
    isDue: (state, hasModel) => learner.isDue(state.own, hasModel),
    fit: (state) => learner.fit(state.own),
    window: (state, instrument, asOf) => learner.window(state.own, instrument, asOf)
  }
}
