/**
 * Advantage actor-critic, in step: one update on each rollout of all rows together (Mnih et al., Asynchronous Methods for
 * Deep Reinforcement Learning, 2016, without the asynchrony), with generalised advantages.
 *
 *   loss = -log p(a | s) A + valueWeight (V(s) - return)^2 / 2 - entropyWeight entropy
 *
 * It is what PPO comes to with one epoch and one minibatch (Huang et al., A2C is a Special Case of PPO, 2022).
 *
 * What can go wrong: as in PPO.
 * Invariant: equal settings, seeds and environments give equal bytes.
 */
import { Schema } from "effect"
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { adam } from "../training/Optimiser.ts"
import type { Open } from "../training/Trainer.ts"
import { type Trainable, trainingGraphs } from "../training/TrainingGraphs.ts"
import { advantagesOf, standardise } from "./advantages.ts"
import { makeEpisodes } from "./Episodes.ts"
import { actorFor, judge, type PolicySpec, policyFor, policyWidth } from "./Policy.ts"
import type { Progress, Trained } from "./Progress.ts"
import { makeRollout } from "./Rollout.ts"
import { Count, Hidden, Positive, Share, Weight } from "./settings.ts"
import { fallen, firstState, runUpdates, stacked } from "./Updates.ts"

export const A2cSettings = Schema.Struct({
  /** Units of the hidden layers, of the policy and of the critic alike. */
  hidden: Hidden,
  learningRate: Positive,
  /** What would be left of the learning rate after the last rollout: it falls linearly from rollout to rollout. */
  learningRateEnd: Share,
  discount: Share,
  lambda: Share,
  /** Of each row. */
  rolloutSteps: Count,
  valueWeight: Weight,
  entropyWeight: Weight,
  gradientNormMax: Positive
})
export type A2cSettings = typeof A2cSettings.Type

/** Rollouts of five steps and returns that are not discounted by lambda, as published. */
export const a2cDefaults: A2cSettings = {
  hidden: [64, 64],
  learningRate: 0.001,
  learningRateEnd: 0,
  discount: 0.99,
  lambda: 1,
  rolloutSteps: 5,
  valueWeight: 0.5,
  entropyWeight: 0.01,
  gradientNormMax: 5
}

/** What an update has less of. */
export const a2cTrainable = (
  policy: PolicySpec,
  { entropyWeight, valueWeight }: Pick<A2cSettings, "entropyWeight" | "valueWeight">
): Trainable => ({
  fields: [
    { name: "observations", shape: [policy.observations] },
    { name: "taken", shape: [policyWidth(policy)] },
    { name: "advantages", shape: [] },
    { name: "returns", shape: [] }
  ],
  forward: (b, batch) => {
    const of = (name: string) => batch[name] as Value
    const { entropies, logProbabilities, values } = judge(b, policy, of("observations"), of("taken"))
    const gains = ops.mul(logProbabilities, of("advantages"))
    const errors = ops.sub(values, of("returns"))
    const valueLosses = ops.mul(ops.mul(errors, errors), valueWeight / 2)
    return { losses: ops.sub(ops.sub(valueLosses, gains), ops.mul(entropies, entropyWeight)) }
  }
})

export async function* trainA2c(options: {
  readonly settings: A2cSettings
  readonly environment: VectorEnvironment
  /** Of all rows together; the last rollout is finished. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<Progress, Trained<PolicySpec>> {
  const { environment, open, seed, steps: total } = options
  const settings = Schema.validateSync(A2cSettings)(options.settings)
  const { discount, gradientNormMax, hidden, lambda, learningRate, learningRateEnd, rolloutSteps } = settings
  const { environments } = environment
  const policy = policyFor(environment, hidden)
  const rows = rolloutSteps * environments
  const graphs = trainingGraphs(a2cTrainable(policy, settings), { rows, optimiser: adam, gradientNormMax })
  const run = await open(graphs.steps(1))
  const actor = actorFor(policy, graphs.manifest)
  const episodes = makeEpisodes(environments)
  const rollout = makeRollout({ environment, policy, actor, steps: rolloutSteps, episodes })
  const acting = keyedRandom(seed, "a2c", "act")
  const stack = stacked(1, rows)
  let state = firstState(graphs, seed)
  let steps = 0
  let loss: number | null = null
  const progress = () => ({
    steps,
    episodes: episodes.count(),
    updates: state.updates,
    meanReturn: episodes.meanReturn(),
    exploration: rollout.entropy()
  })
  const ended = (reason: Trained<PolicySpec>["reason"]): Trained<PolicySpec> => {
    const { episodes: count, meanReturn, updates } = progress()
    const { manifest } = graphs
    return {
      reason,
      network: policy,
      manifest,
      parameters: state.parameters,
      updates,
      steps,
      episodes: count,
      meanReturn
    }
  }

  environment.reset()
  while (steps < total) {
    // Before the rollout: the first is learned from at the full rate, and none at that of after the last.
    const share = steps / total
    do {
      rollout.step(state.parameters, acting)
      steps += environments
      yield { ...progress(), loss }
    } while (!rollout.isFull())
    const estimated = advantagesOf(rollout, discount, lambda)
    const advantages = Float32Array.from(estimated)
    const returns = Float32Array.from(estimated, (advantage, i) => advantage + (rollout.values[i] as number))
    standardise(advantages, 0, rows)
    const course = {
      count: 1,
      rows,
      optimiser: adam,
      learningRate: fallen(learningRate, learningRateEnd, share)
    }
    const updated = await runUpdates(run, state, course, {
      observations: stack(rollout.observations, policy.observations),
      taken: stack(rollout.taken, policyWidth(policy)),
      advantages: stack(advantages),
      returns: stack(returns)
    })
    state = updated.state
    loss = updated.loss
    if (!Number.isFinite(loss)) return ended("diverged")
  }
  return ended("steps")
}
