/**
 * What `conclave evaluate rl` learns, as data: an algorithm with its settings in an environment, for so many steps, the figure
 * that it is judged by and the bar that the figure has to reach.
 *
 * CartPole's bar is the one at which Gymnasium calls it solved: a mean of 475 steps over 100 episodes of at most 500.
 */
import { type A2cSettings, a2cDefaults } from "../../../learning/rl/A2c.ts"
import { cartPole, cartPoleStepsMax } from "../../../learning/rl/CartPole.ts"
import { type DqnSettings, dqnDefaults } from "../../../learning/rl/Dqn.ts"
import { type PopulationSettings, populationDefaults } from "../../../learning/rl/Population.ts"
import { type PpoSettings, ppoDefaults } from "../../../learning/rl/Ppo.ts"
import type { Explorer } from "../../../learning/rl/SharedReplay.ts"
import type { VectorEnvironment } from "../../../learning/rl/VectorEnvironment.ts"

export type Algorithm =
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
export type Exploration = Omit<Explorer, "environment">

export interface RlCase {
  readonly name: string
  readonly environment: string
  /** Rows to learn in at a time, of each learner. */
  readonly rows: number
  /** Of all learners and rows together. */
  readonly steps: number
  readonly algorithm: Algorithm
  /** Of the returns of the episodes that it is judged by. */
  readonly figure: { readonly name: string; readonly of: (returns: Float64Array) => number }
  /** What the mean of the figure over the seeds has to reach; null for none. */
  readonly bar: number | null
}

export interface RlEnvironment {
  readonly make: (rows: number, key: ReadonlyArray<string | number>) => VectorEnvironment
  /** No episode is longer. */
  readonly episodeStepsMax: number
}

export const rlEnvironments: Readonly<Record<string, RlEnvironment>> = {
  cartpole: { make: cartPole, episodeStepsMax: cartPoleStepsMax }
}

const meanReturn = {
  name: "mean return",
  of: (returns: Float64Array) => returns.reduce((sum, one) => sum + one, 0) / returns.length
}

const onCartPole = { environment: "cartpole", figure: meanReturn, bar: 475 }
const dqnOnCartPole: DqnSettings = { ...dqnDefaults, discount: 0.99, learningRateEnd: 0.05 }

export const rlCases: ReadonlyArray<RlCase> = [
  {
    ...onCartPole,
    name: "cartpole/dqn",
    rows: 16,
    steps: 100_000,
    algorithm: { kind: "dqn", settings: dqnOnCartPole }
  },
  {
    ...onCartPole,
    name: "cartpole/ppo",
    rows: 8,
    steps: 100_000,
    algorithm: { kind: "ppo", settings: ppoDefaults }
  },
  {
    ...onCartPole,
    name: "cartpole/a2c",
    rows: 8,
    steps: 250_000,
    algorithm: { kind: "a2c", settings: { ...a2cDefaults, learningRate: 0.0015 } }
  },
  {
    ...onCartPole,
    name: "cartpole/shared-replay",
    rows: 8,
    steps: 200_000,
    algorithm: {
      kind: "shared-replay",
      settings: dqnOnCartPole,
      explorers: [
        { epsilonMin: 0.01, epsilonDecay: 0.99 },
        { epsilonMin: 0.05, epsilonDecay: 0.995 },
        { epsilonMin: 0.2, epsilonDecay: 0.995 }
      ]
    }
  },
  {
    ...onCartPole,
    name: "cartpole/population",
    rows: 4,
    steps: 400_000,
    algorithm: {
      kind: "population",
      settings: { ...ppoDefaults, rolloutSteps: 256 },
      population: populationDefaults,
      members: 4
    }
  }
]
