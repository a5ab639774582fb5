/** An environment that cases are of: what is learned in, and what an act is judged by. */
import type { Act } from "../../../learning/rl/acting.ts"
import type { Steps } from "../../../learning/steps.ts"
import type { VectorEnvironment } from "../../../protocols/VectorEnvironment.ts"

/** By name; the name says the unit. */
export type Figures = Readonly<Record<string, number>>

/** Names the random streams of what is made. */
export type Key = ReadonlyArray<string | number>

export interface RlEnvironment {
  /** To learn in, so many rows at a time; `steps` are how many will be taken, of all rows together. */
  readonly make: (rows: number, steps: number, key: Key) => Steps<VectorEnvironment>
  /** What an act comes to in one episode of each of so many rows. */
  readonly judge: (act: Act, rows: number, key: Key) => Steps<Figures>
}
