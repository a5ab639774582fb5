/**
 * One algorithm in one environment for each of its learners, with its settings as published or as the mission has them, and how
 * it acts when it has learned. Of several learners the one serves that had the best mean return while it learned; what is told
 * meanwhile is of all of them.
 *
 * What can go wrong: what the graphs' process says is thrown as it is. A training that diverges gives the parameters from
 * before; of several learners only where all have.
 */
import { map } from "effect/Array"
import { a2cDefaults, trainA2c } from "../../../learning/rl/A2c.ts"
import { dqnDefaults, trainDqn } from "../../../learning/rl/Dqn.ts"
import type { PolicySpec } from "../../../learning/rl/Policy.ts"
import {
  type PopulationProgress,
  populationDefaults,
  trainPopulation
} from "../../../learning/rl/Population.ts"
import { ppoDefaults, trainPpo } from "../../../learning/rl/Ppo.ts"
import { bestOf, type Progress, type Trained } from "../../../learning/rl/Progress.ts"
import type { QNetworkSpec } from "../../../learning/rl/QNetwork.ts"
import { explorationDefaults, trainSharedReplay } from "../../../learning/rl/SharedReplay.ts"
import type { Open } from "../../../learning/training/Trainer.ts"
import type { PolicyAlgorithm } from "../../../protocols/Strategy.ts"
import type { VectorEnvironment } from "../../../protocols/VectorEnvironment.ts"
import type { NetworkShape } from "./TrainedPolicy.ts"

export const policySettings = {
  dqn: dqnDefaults,
  ppo: ppoDefaults,
  a2c: a2cDefaults,
  "shared-replay": { learner: dqnDefaults, explorers: explorationDefaults },
  population: { learner: ppoDefaults, population: populationDefaults, members: 4 }
} as const

/** How many learn, each in an environment of its own. */
export const learnersOf = (algorithm: PolicyAlgorithm): number => {
  if (algorithm === "shared-replay") return explorationDefaults.length
  return algorithm === "population" ? policySettings.population.members : 1
}

export interface LearnedPolicy
  extends Pick<Trained<unknown>, "reason" | "parameters" | "updates" | "steps" | "episodes"> {
  readonly network: NetworkShape
  /** Which of the learners it was. */
  readonly learner: number
}

export interface LearnOptions {
  /** One for each learner. */
  readonly environments: ReadonlyArray<VectorEnvironment>
  /** Of all learners and rows together. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}

const meanOf = (values: ReadonlyArray<number | null>): number | null => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}

/** How several learners have gone so far, as if they were one. */
const together = (all: ReadonlyArray<Progress>): Progress => {
  const sumOf = (count: (one: Progress) => number) => all.reduce((sum, one) => sum + count(one), 0)
  return {
    steps: sumOf(({ steps }) => steps),
    episodes: sumOf(({ episodes }) => episodes),
    updates: sumOf(({ updates }) => updates),
    meanReturn: meanOf(all.map(({ meanReturn }) => meanReturn)),
    loss: meanOf(all.map(({ loss }) => loss)),
    exploration: meanOf(all.map(({ exploration }) => exploration))
  }
}

/** One of several, with what they have done together. */
interface Chosen<Network> extends Trained<Network> {
  readonly learner: number
}

/**
 * Tells how all are while they learn, and at the end what the last updates came to as well.
 * @param of which learner something that is told is of, and how far that one is; undefined of what is not progress
 */
async function* asOne<Told, Network>(
  running: AsyncGenerator<Told, ReadonlyArray<Trained<Network>>>,
  of: (told: Told) => readonly [learner: number, progress: Progress] | undefined
): AsyncGenerator<Progress, Chosen<Network>> {
  const latest = new Map<number, Progress>()
  for (;;) {
    const next = await running.next()
    if (next.done === true) {
      const all = next.value.map(({ episodes, meanReturn, steps, updates }, learner) => {
        const { exploration = null, loss = null } = latest.get(learner) ?? {}
        return { episodes, exploration, loss, meanReturn, steps, updates }
      })
      const last = together(all)
      yield last
      const best = bestOf(next.value)
      return { ...best, learner: next.value.indexOf(best), episodes: last.episodes, steps: last.steps }
    }
    const told = of(next.value)
    if (told === undefined) continue
    latest.set(...told)
    yield together([...latest.values()])
  }
}

/** A single one as several of which there is one. */
async function* alone<Network>(
  running: AsyncGenerator<Progress, Trained<Network>>
): AsyncGenerator<Progress, ReadonlyArray<Trained<Network>>> {
  return [yield* running]
}
const first = (progress: Progress): readonly [learner: number, progress: Progress] => [0, progress]

type Shape = Pick<NetworkShape, "hidden">

const ofValues = (
  trained: Chosen<QNetworkSpec>,
  { hidden, isDueling }: Shape & Pick<NetworkShape, "isDueling">
): LearnedPolicy => ({ ...trained, network: { kind: "q-network", hidden, isDueling } })

const ofPolicy = (trained: Chosen<PolicySpec>, { hidden }: Shape): LearnedPolicy => ({
  ...trained,
  network: { kind: "policy", hidden, isDueling: false }
})

export async function* learnPolicy(
  algorithm: PolicyAlgorithm,
  { environments, open, seed, steps }: LearnOptions
): AsyncGenerator<Progress, LearnedPolicy> {
  const [environment] = environments
  if (environment === undefined || environments.length !== learnersOf(algorithm)) {
    throw new RangeError(
      `${algorithm} learns in ${learnersOf(algorithm)} environments, not ${environments.length}`
    )
  }
  const one = { environment, steps, open, seed }
  switch (algorithm) {
    case "dqn": {
      const settings = policySettings[algorithm]
      return ofValues(yield* asOne(alone(trainDqn({ ...one, settings })), first), settings)
    }
    case "ppo": {
      const settings = policySettings[algorithm]
      return ofPolicy(yield* asOne(alone(trainPpo({ ...one, settings })), first), settings)
    }
    case "a2c": {
      const settings = policySettings[algorithm]
      return ofPolicy(yield* asOne(alone(trainA2c({ ...one, settings })), first), settings)
    }
    case "shared-replay": {
      const { explorers, learner: settings } = policySettings[algorithm]
      const all = map(explorers, (explorer, i) => ({
        ...explorer,
        environment: environments[i] as VectorEnvironment
      }))
      const running = trainSharedReplay({ settings, explorers: all, steps, open, seed })
      return ofValues(yield* asOne(running, ({ learner, ...told }) => [learner, told]), settings)
    }
    case "population": {
      const { learner: settings, population: usual } = policySettings[algorithm]
      // However few the steps are: those that are asked for, but for whole rollouts.
      const roundSteps = Math.min(usual.roundSteps, Math.ceil(steps / environments.length))
      const population = { ...usual, roundSteps }
      const running = trainPopulation({ settings, population, environments, steps, open, seed })
      const of = (told: PopulationProgress) =>
        told.type === "progress" ? ([told.member, told] as const) : undefined
      return ofPolicy(yield* asOne(running, of), settings)
    }
  }
}
