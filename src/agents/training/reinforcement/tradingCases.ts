/**
 * The cases of worlds to trade in (`tradingWorlds.ts`). Beside the learners of the signal stand three policies that are
 * known: the best one, the one that follows the sign of the next step's expectation, and the one that takes what is best for
 * the next step alone. These two are myopic; what they come to in the long run follows from the chain of the signal.
 *
 * A world without an edge is nothing but noise to a learner of action values, and what the default settings make of it is
 * trading: a memory of 10,000 transitions tells noise from costs no better than it can be averaged. There DQN remembers all
 * its transitions and draws evenly from them, without preferring the largest surprises, which are the noisiest; it learns
 * slowly, and more slowly towards the end.
 *
 * The table is told which number to look at and where to cut it, which the networks have to find out among ten.
 *
 * Several learners take as many steps together as the single learner of their algorithm takes alone, so that what sharing
 * brings is seen and not what more steps bring.
 */
import type { Act } from "../../../learning/rl/acting.ts"
import type { Thresholds } from "../../../learning/rl/binned.ts"
import { type DqnSettings, dqnDefaults } from "../../../learning/rl/Dqn.ts"
import { populationDefaults } from "../../../learning/rl/Population.ts"
import { type PpoSettings, ppoDefaults } from "../../../learning/rl/Ppo.ts"
import { explorationDefaults } from "../../../learning/rl/SharedReplay.ts"
import {
  oneStepPolicy,
  policyGrowth,
  policyIndex,
  type SignalPolicy,
  signalOptimum,
  signPolicy
} from "../../../market/environment/SignalOptimum.ts"
import { costlySignal, signalFeatureNames } from "../../../market/environment/SignalWorld.ts"
import { accountObservations, buy, hold, sell } from "../../../market/environment/TradingEnvironments.ts"
import type { Bar, RlCase, TableSettings } from "./RlCase.ts"
import { growthFigure, shareFigure, turnoverFigure } from "./tradingWorlds.ts"

/** Of the best policy's growth, in the long run and without chance. */
export const exactFigure = "exact share, %"

const dqnAmidNoise: DqnSettings = {
  ...dqnDefaults,
  learningRate: 0.000_1,
  learningRateEnd: 0.01,
  memorySize: 200_000,
  priorityExponent: 0,
  stepsPerUpdate: 16
}
/** With the discount of DQN. */
const ppo: PpoSettings = { ...ppoDefaults, discount: dqnDefaults.discount }

/** Of the baseline, with the discount of DQN. */
export const tableSettings: TableSettings = {
  learningRate: 0.1,
  discount: dqnDefaults.discount,
  epsilonStart: 1,
  epsilonMin: 0.01,
  epsilonDecay: 0.995
}
/** Short, flat and long, and nothing of the profit. */
const bySide: Thresholds = [[-0.5, 0.5], []]
/** Between the levels of the signal; the other features are passed over. */
const signalBins: Thresholds = signalFeatureNames.map((name) => {
  const gaps = costlySignal.levels - 1
  return name === "signal" ? Array.from({ length: gaps }, (_, k) => (2 * k + 1) / gaps - 1) : []
})
/** In deviations of a return: a trade costs about 0.05 each way. */
const returnBins: Thresholds = [[-0.2, -0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2]]
const tableOf = (features: Thresholds) =>
  ({
    rows: 1,
    steps: 100_000,
    algorithm: { kind: "q-learning", settings: tableSettings, thresholds: [...features, ...bySide] }
  }) as const

/** Reads the level and the position off what a learner sees, and goes where the policy would be. */
const actBySignal =
  (policy: SignalPolicy): Act =>
  (observations, actions) => {
    const size = observations.length / actions.length
    for (let row = 0; row < actions.length; row++) {
      const signal = observations[row * size] as number
      const exposure = observations[(row + 1) * size - accountObservations.length] as number
      const level = Math.round(((signal + 1) * (costlySignal.levels - 1)) / 2)
      const position = Math.sign(exposure)
      const target = policy[policyIndex(level, position)] as number
      // None of the policies goes flat once it has a position, which no action could do.
      actions[row] = target === position ? hold : target > 0 ? buy : sell
    }
  }

const rule = (name: string, policyOf: () => SignalPolicy, bars: RlCase["bars"]): RlCase => {
  const known = () => {
    const policy = policyOf()
    const share = policyGrowth(costlySignal, policy) / signalOptimum(costlySignal).growth
    return { act: actBySignal(policy), exact: { [exactFigure]: 100 * share } }
  }
  return {
    name: `signal/${name}`,
    environment: "signal",
    rows: 0,
    steps: 0,
    seeds: 5,
    algorithm: { kind: "rule", known },
    bars
  }
}

const atLeast = (value: number): Bar => ({ kind: "at least", value })
const atMost = (value: number): Bar => ({ kind: "at most", value })

const usual = { rows: 16, seeds: 5 } as const
const nothing = {
  ...usual,
  bars: { [growthFigure]: { kind: "not surely above", value: 0 }, [turnoverFigure]: atMost(5) }
} as const
const slowDqn = { steps: 200_000, algorithm: { kind: "dqn", settings: dqnAmidNoise } } as const
const quickPpo = { steps: 100_000, algorithm: { kind: "ppo", settings: ppo } } as const

const onSignal = { ...usual, environment: "signal", bars: { [shareFigure]: atLeast(80) } } as const
const onOracle = { ...usual, environment: "oracle", bars: { [shareFigure]: atLeast(95) } } as const

export const tradingCases: ReadonlyArray<RlCase> = [
  rule("best", () => signalOptimum(costlySignal).policy, {}),
  rule("sign", () => signPolicy(costlySignal), { [exactFigure]: atMost(60) }),
  rule("one-step", () => oneStepPolicy(costlySignal), { [exactFigure]: atMost(60) }),
  { ...onSignal, ...tableOf(signalBins), name: "signal/q-learning" },
  {
    ...onSignal,
    name: "signal/dqn",
    steps: 100_000,
    algorithm: { kind: "dqn", settings: dqnDefaults }
  },
  {
    ...onSignal,
    name: "signal/shared-replay",
    rows: 8,
    steps: 100_000,
    algorithm: { kind: "shared-replay", settings: dqnDefaults, explorers: explorationDefaults }
  },
  { ...onSignal, name: "signal/ppo", steps: 150_000, algorithm: { kind: "ppo", settings: ppo } },
  {
    ...onSignal,
    name: "signal/population",
    rows: 4,
    steps: 150_000,
    algorithm: {
      kind: "population",
      settings: { ...ppo, rolloutSteps: 256 },
      population: populationDefaults,
      members: 4
    }
  },
  { ...onOracle, ...tableOf(returnBins), name: "oracle/q-learning" },
  { ...onOracle, ...slowDqn, name: "oracle/dqn" },
  { ...onOracle, ...quickPpo, name: "oracle/ppo" },
  { ...nothing, ...tableOf(returnBins), environment: "last", name: "last/q-learning" },
  { ...nothing, ...slowDqn, environment: "last", name: "last/dqn" },
  { ...nothing, ...quickPpo, environment: "last", name: "last/ppo" },
  { ...nothing, ...slowDqn, environment: "no-edge", name: "no-edge/dqn", seeds: 20 },
  { ...nothing, ...quickPpo, environment: "no-edge", name: "no-edge/ppo", seeds: 20 }
]
