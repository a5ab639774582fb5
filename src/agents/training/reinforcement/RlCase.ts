/** What a case of `conclave evaluate rl` is: an algorithm in an environment, and what it has to reach. */
import type { A2cSettings } from "../../../learning/rl/A2c.ts"
import type { Act } from "../../../learning/rl/acting.ts"
import type { Thresholds } from "../../../learning/rl/binned.ts"
import type { DqnSettings } from "../../../learning/rl/Dqn.ts"
import type { PopulationSettings } from "../../../learning/rl/Population.ts"
import type { PpoSettings } from "../../../learning/rl/Ppo.ts"
import type { QLearningOptions } from "../../../learning/rl/QLearning.ts"
import type { Exploration } from "../../../learning/rl/SharedReplay.ts"
import type { Figures } from "./RlEnvironment.ts"

export type Algorithm =
  /** The baseline, in states that the thresholds tell apart; it learns in one row. */
  | { readonly kind: "q-learning"; readonly settings: TableSettings; readonly thresholds: Thresholds }
  | { readonly kind: "dqn"; readonly settings: DqnSettings }
  | { readonly kind: "ppo"; readonly settings: PpoSettings }
  | { readonly kind: "a2c"; readonly settings: A2cSettings }
  | {
      readonly kind: "shared-replay"
      readonly settings: DqnSettings
      readonly explorers: readonly [Exploration, ...ReadonlyArray<Exploration>]
    }
  | {
      readonly kind: "population"
      readonly settings: PpoSettings
      readonly population: PopulationSettings
      readonly members: number
    }
  /** Nothing is learned: what learners stand beside. It is worked out where it is asked for. */
  | { readonly kind: "rule"; readonly known: () => KnownRule }
export type TableSettings = Pick<
  QLearningOptions,
  "learningRate" | "discount" | "epsilonStart" | "epsilonMin" | "epsilonDecay"
>

export interface KnownRule {
  readonly act: Act
  /** What it is known to come to, beside what it is judged to. */
  readonly exact: Figures
}

/** What the mean of a figure over the seeds has to do. */
export type Bar =
  | { readonly kind: "at least"; readonly value: number }
  | { readonly kind: "at most"; readonly value: number }
  /** That it is above has to be no more than chance: the lower end of its interval is at the value or below. */
  | { readonly kind: "not surely above"; readonly value: number }

export interface RlCase {
  readonly name: string
  readonly environment: string
  /** Rows to learn in at a time, of each learner; 0 where nothing is learned. */
  readonly rows: number
  /** Of all learners and rows together; 0 where nothing is learned. */
  readonly steps: number
  readonly seeds: number
  readonly algorithm: Algorithm
  /** By the name of the figure; the others are told beside them. */
  readonly bars: Readonly<Record<string, Bar>>
}
