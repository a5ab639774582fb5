/**
 * What a voter keeps of the bars' stream: its learner's state, and the pace that the feed was opened with. The first event
 * says that once for the whole run: a life that begins at a later snapshot has to find it there.
 */
import { Schema } from "effect"
import type { BarsEvent } from "../../protocols/Bar.ts"
import type { Learner } from "./Learner.ts"

export interface Followed<State> {
  learner: State
  /** Milliseconds between two as-ofs; null in lock-step, and before the feed has been opened. */
  paceMs: number | null
}

export interface EncodedFollowed<Encoded> {
  readonly learner: Encoded
  readonly paceMs: number | null
}

/** The fold over bars. Changes the state in place, as the learner does. */
export const followedOf = <State, Encoded>(learner: Learner<State, Encoded>) => {
  const snapshot: Schema.Schema<Followed<State>, EncodedFollowed<Encoded>> = Schema.mutable(
    Schema.Struct({ learner: learner.snapshot, paceMs: Schema.NullOr(Schema.Finite) })
  )
  return {
    version: learner.version + 1,
    snapshot,
    initial: (): Followed<State> => ({ learner: learner.initial(), paceMs: null }),
    evolve: (state: Followed<State>, event: BarsEvent): Followed<State> => {
      if (event.type === "FeedOpened") state.paceMs = event.payload.paceMs
      state.learner = learner.evolve(state.learner, event)
      return state
    }
  }
}
