/**
 * What `conclave evaluate rl` learns, as data: an algorithm with its settings in an environment, for so many steps, and the
 * bars that the figures of the environment have to reach.
 *
 * CartPole's bar is the one at which Gymnasium calls it solved: a mean of 475 steps over 100 episodes of at most 500. The
 * table has none: its boxes are coarse, and what is worth different things falls into the same one.
 */
import { a2cDefaults } from "../../../learning/rl/A2c.ts"
import type { Thresholds } from "../../../learning/rl/binned.ts"
import { cartPole, cartPoleStepsMax } from "../../../learning/rl/CartPole.ts"
import { type DqnSettings, dqnDefaults } from "../../../learning/rl/Dqn.ts"
import { episodeReturns } from "../../../learning/rl/episodeReturns.ts"
import { populationDefaults } from "../../../learning/rl/Population.ts"
import { ppoDefaults } from "../../../learning/rl/Ppo.ts"
import { explorationDefaults } from "../../../learning/rl/SharedReplay.ts"
import type { RlCase } from "./RlCase.ts"
import type { RlEnvironment } from "./RlEnvironment.ts"
import { tableSettings, tradingCases } from "./tradingCases.ts"
import { tradingWorlds } from "./tradingWorlds.ts"

const returnFigure = "mean return"

const cartpole: RlEnvironment = {
  *make(rows, _, key) {
    return cartPole(rows, key)
  },
  *judge(act, rows, key) {
    const returns = yield* episodeReturns(cartPole(rows, key), act, cartPoleStepsMax)
    return { [returnFigure]: returns.reduce((sum, one) => sum + one, 0) / rows }
  }
}

export const rlEnvironments: Readonly<Record<string, RlEnvironment>> = { cartpole, ...tradingWorlds }

const radians = (degrees: number) => (degrees * Math.PI) / 180

const onCartPole = {
  environment: "cartpole",
  seeds: 5,
  bars: { [returnFigure]: { kind: "at least", value: 475 } }
} as const
const dqnOnCartPole: DqnSettings = { ...dqnDefaults, discount: 0.99, learningRateEnd: 0.05 }

/** Those of Barto, Sutton and Anderson (1983): m, m/s, rad, rad/s. */
const boxes: Thresholds = [[-0.8, 0.8], [-0.5, 0.5], [-6, -1, 0, 1, 6].map(radians), [-50, 50].map(radians)]

const cartPoleCases: ReadonlyArray<RlCase> = [
  {
    ...onCartPole,
    name: "cartpole/q-learning",
    rows: 1,
    steps: 100_000,
    algorithm: {
      kind: "q-learning",
      settings: { ...tableSettings, discount: 0.99 },
      thresholds: boxes
    },
    bars: {}
  },
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
      explorers: explorationDefaults
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

export const rlCases: ReadonlyArray<RlCase> = [...cartPoleCases, ...tradingCases]
