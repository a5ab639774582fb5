/** Learners that are driven without their agent. */
import { Schema } from "effect"
import type { Fitted, Learner } from "../../../src/agents/voter/Learner.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { BarsClosed } from "../../../src/protocols/Bar.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"

export const learn = <State, Encoded>(
  learner: Learner<State, Encoded>,
  events: ReadonlyArray<BarsClosed>,
  from = learner.initial()
): State => events.reduce(learner.evolve, from)

export const fitOf = <State, Encoded>(learner: Learner<State, Encoded>, state: State): Fitted | undefined =>
  runThrough(learner.fit(state))

/** What a fit came to, in a form that is the same when and only when the fit is. */
export const signature = (fitted: Fitted | undefined) =>
  fitted === undefined ? undefined : { ...fitted, artefact: sha256(fitted.artefact) }

/** The state as a restart finds it. */
export const restarted = <State, Encoded>(learner: Learner<State, Encoded>, state: State): State => {
  const json = Schema.parseJson(learner.snapshot)
  return Schema.decodeSync(json)(Schema.encodeSync(json)(state))
}

/** Features and volatility of an instrument at an as-of, or undefined where the state does not hold its window. */
export const featuresOf = <State, Encoded>(
  learner: Learner<State, Encoded>,
  state: State,
  instrument: InstrumentId,
  asOf: number
): { readonly sigma: number; readonly features: ReadonlyArray<number> } | undefined => {
  const window = learner.window(state, instrument, asOf)
  if (window === undefined) return undefined
  const out = new Float64Array(learner.features.names.length)
  const sigma = learner.featuresAt(window, out)
  return { sigma, features: [...out] }
}
