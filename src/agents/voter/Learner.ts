/**
 * What a voter is made of, apart from all talking: how it learns from bars, when it is due for a new model, and
 * how that model is made. The agent around it is the same for every voter.
 */
import type { Schema } from "effect"
import type { Steps } from "../../learning/steps.ts"
import type { BarsEvent } from "../../protocols/Bar.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { FeatureSchema, ModelManifest } from "../../protocols/Model.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"

/** The closes of an instrument around an as-of. */
export interface Window {
  readonly closes: ArrayLike<number>
  /** Index of the close at the as-of. */
  readonly end: number
}

/** A model that has been made: the artefact, and what is known of it beside its digest and size. */
export interface Fitted {
  readonly artefact: Uint8Array
  readonly manifest: Omit<ModelManifest, "digest" | "bytes" | "parent">
  readonly reason: string
}

/** Bars between two attempts at the first model. */
export const firstFitEveryBars = 25

export interface Learner<State, Encoded> {
  /** Also the voter's name. */
  readonly name: "deep-learning" | "reinforcement-learning"
  /** What its deployments are called: `<name>/<kind>/<time frame>`. */
  readonly kind: string
  readonly features: FeatureSchema
  readonly horizonBars: number
  readonly version: number
  readonly initial: () => State
  /** A fold over bars. May change the state in place: nobody keeps an old one. */
  readonly evolve: (state: State, event: BarsEvent) => State
  readonly snapshot: Schema.Schema<State, Encoded>
  readonly timeFrame: (state: State) => TimeFrame | null
  /**
   * Whether a new model is due at the event just applied: follows from the bars and from whether there is one. The
   * first is tried for every few bars, until there is enough to make it of.
   */
  readonly isDue: (state: State, hasModel: boolean) => boolean
  /**
   * Makes it from what the state holds at the first step: the state may go on between the steps. Undefined when
   * there is too little to go by.
   */
  readonly fit: (state: State) => Steps<Fitted | undefined>
  /** The window at an as-of, if the state still holds it. */
  readonly window: (state: State, instrument: InstrumentId, asOf: number) => Window | undefined
  /** Fills in the features at the end of a window; the standard deviation of one bar, or 0 where nothing moves. */
  readonly featuresAt: (window: Window, out: Float64Array) => number
}
