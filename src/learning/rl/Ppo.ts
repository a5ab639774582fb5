/**
 * Proximal policy optimisation (Schulman et al., Proximal Policy Optimization Algorithms, 2017, equation 9), with the details
 * that matter in practice (Huang et al., The 37 Implementation Details of Proximal Policy Optimization, 2022):
 *
 *   ratio = exp(log p(a | s) - log p of the policy that acted)
 *   loss  = -min(ratio A, clip(ratio, 1 - c, 1 + c) A) + valueWeight (V(s) - return)^2 / 2 - entropyWeight entropy
 *
 * A rollout is gone over several times in shuffled minibatches, within which the advantages are standardised; all of these
 * updates are one run of onnxruntime.
 *
 * What can go wrong: settings out of range throw ParseError, a rollout that cannot be cut into minibatches RangeError, an
 * environment that gives numbers that are not finite EnvironmentInvalid; a loss that is no number any more ends it as
 * diverged, with the parameters from before.
 * Invariant: equal settings, seeds and environments give equal bytes.
 */
import { Schema } from "effect"
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { adam } from "../training/Optimiser.ts"
import type { Fed, Open } from "../training/Trainer.ts"
import { type Trainable, trainingGraphs } from "../training/TrainingGraphs.ts"
import { advantagesOf, standardise } from "./advantages.ts"
import { type Episodes, makeEpisodes } from "./Episodes.ts"
import { actorFor, judge, type PolicySpec, policyFor, policyWidth } from "./Policy.ts"
import type { Progress, Trained } from "./Progress.ts"
import { makeRollout } from "./Rollout.ts"
import { BatchRows, Count, Hidden, Positive, Share, Weight } from "./settings.ts"
import { fallen, firstState, type LearnerState, runUpdates, stacked } from "./Updates.ts"

export const PpoSettings = Schema.Struct({
  /** Units of the hidden layers, of the policy and of the critic alike. */
  hidden: Hidden,
  learningRate: Positive,
  /** What would be left of the learning rate after the last rollout: it falls linearly from rollout to rollout. */
  learningRateEnd: Share,
  discount: Share,
  lambda: Share,
  /** Of each row. */
  rolloutSteps: Count,
  epochs: Count,
  /** Divides the rows of a rollout. */
  minibatchRows: BatchRows,
  clip: Positive,
  valueWeight: Weight,
  entropyWeight: Weight,
  gradientNormMax: Positive
})
export type PpoSettings = typeof PpoSettings.Type

export const ppoDefaults: PpoSettings = {
  hidden: [64, 64],
  learningRate: 0.0003,
  learningRateEnd: 0,
  discount: 0.99,
  lambda: 0.95,
  rolloutSteps: 128,
  epochs: 10,
  minibatchRows: 64,
  clip: 0.2,
  valueWeight: 0.5,
  entropyWeight: 0.01,
  gradientNormMax: 0.5
}

/** As Huang et al. have it. */
const optimiser = { ...adam, epsilon: 1e-5 }

/** What an update has less of. */
export const ppoTrainable = (
  policy: PolicySpec,
  { clip, entropyWeight, valueWeight }: Pick<PpoSettings, "clip" | "entropyWeight" | "valueWeight">
): Trainable => ({
  fields: [
    { name: "observations", shape: [policy.observations] },
    { name: "taken", shape: [policyWidth(policy)] },
    { name: "logProbabilities", shape: [] },
    { name: "advantages", shape: [] },
    { name: "returns", shape: [] }
  ],
  forward: (b, batch) => {
    const of = (name: string) => batch[name] as Value
    const { entropies, logProbabilities, values } = judge(b, policy, of("observations"), of("taken"))
    const ratios = ops.exp(ops.sub(logProbabilities, of("logProbabilities")))
    const clipped = ops.min(ops.max(ratios, 1 - clip), 1 + clip)
    const gains = ops.min(ops.mul(ratios, of("advantages")), ops.mul(clipped, of("advantages")))
    const errors = ops.sub(values, of("returns"))
    const valueLosses = ops.mul(ops.mul(errors, errors), valueWeight / 2)
    return { losses: ops.sub(ops.sub(valueLosses, gains), ops.mul(entropies, entropyWeight)) }
  }
})

/** Numbers that may change from update to update. */
export type PpoRates = Pick<PpoSettings, "learningRate" | "lambda">

/** A learner in its environment; whoever drives it says when it acts and when it learns. */
export interface PpoLearner {
  readonly state: () => LearnerState
  readonly adopt: (state: LearnerState) => void
  /** Acts one step in all rows. */
  readonly step: () => void
  /** Whether there is a whole rollout to learn from. */
  readonly isDue: () => boolean
  /** Learns from the rollout; the mean loss, which is no number where it diverged and nothing was taken. */
  readonly update: (rates: PpoRates) => Promise<number>
  readonly episodes: Episodes
  readonly progress: () => Omit<Progress, "loss">
  readonly trained: (reason: Trained<PolicySpec>["reason"]) => Trained<PolicySpec>
}

export const makePpoLearner = async (options: {
  readonly settings: PpoSettings
  readonly environment: VectorEnvironment
  readonly open: Open
  readonly seed: number
}): Promise<PpoLearner> => {
  const { environment, open, seed } = options
  const settings = Schema.validateSync(PpoSettings)(options.settings)
  const { discount, epochs, gradientNormMax, hidden, minibatchRows, rolloutSteps } = settings
  const policy = policyFor(environment, hidden)
  const width = policyWidth(policy)
  const rows = rolloutSteps * environment.environments
  if (rows % minibatchRows !== 0) {
    throw new RangeError(`a rollout of ${rows} rows cannot be cut into minibatches of ${minibatchRows}`)
  }
  const count = epochs * (rows / minibatchRows)
  const graphs = trainingGraphs(ppoTrainable(policy, settings), {
    rows: minibatchRows,
    optimiser,
    gradientNormMax
  })
  const { manifest } = graphs
  const run = await open(graphs.steps(count))
  const actor = actorFor(policy, manifest)
  const episodes = makeEpisodes(environment.environments)
  const rollout = makeRollout({ environment, policy, actor, steps: rolloutSteps, episodes })
  const acting = keyedRandom(seed, "ppo", "act")
  let steps = 0
  let state = firstState(graphs, seed)
  environment.reset()

  /** The minibatches of all epochs, one after the other. */
  const batches = (advantages: Float64Array): Readonly<Record<string, Fed>> => {
    const total = epochs * rows
    const order = new Int32Array(total)
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffled(
        rows,
        [seed, "ppo", "shuffle", state.updates, epoch],
        order.subarray(epoch * rows, (epoch + 1) * rows)
      )
    }
    const rowsOf = (values: ArrayLike<number>, size: number): Float32Array => {
      const out = new Float32Array(total * size)
      for (let i = 0; i < total; i++) {
        const from = (order[i] as number) * size
        for (let k = 0; k < size; k++) out[i * size + k] = values[from + k] as number
      }
      return out
    }
    const chosen = rowsOf(advantages, 1)
    for (let i = 0; i < total; i += minibatchRows) standardise(chosen, i, i + minibatchRows)
    const returns = advantages.map((advantage, i) => advantage + (rollout.values[i] as number))
    const stack = stacked(count, minibatchRows)
    return {
      observations: stack(rowsOf(rollout.observations, policy.observations), policy.observations),
      taken: stack(rowsOf(rollout.taken, width), width),
      logProbabilities: stack(rowsOf(rollout.logProbabilities, 1)),
      advantages: stack(chosen),
      returns: stack(rowsOf(returns, 1))
    }
  }

  return {
    state: () => state,
    adopt: (adopted) => {
      state = adopted
    },
    step: () => {
      rollout.step(state.parameters, acting)
      steps += environment.environments
    },
    isDue: rollout.isFull,
    update: async ({ lambda, learningRate }) => {
      const course = { count, rows: minibatchRows, optimiser, learningRate }
      const updated = await runUpdates(run, state, course, batches(advantagesOf(rollout, discount, lambda)))
      state = updated.state
      return updated.loss
    },
    episodes,
    progress: () => ({
      steps,
      episodes: episodes.count(),
      updates: state.updates,
      meanReturn: episodes.meanReturn(),
      exploration: rollout.entropy()
    }),
    trained: (reason) => ({
      reason,
      network: policy,
      manifest,
      parameters: state.parameters,
      updates: state.updates,
      steps,
      episodes: episodes.count(),
      meanReturn: episodes.meanReturn()
    })
  }
}

/** Fisher and Yates. */
const shuffled = (rows: number, key: ReadonlyArray<string | number>, out: Int32Array): void => {
  const random = keyedRandom(...key)
  for (let i = 0; i < rows; i++) {
    const j = random.int(i + 1)
    out[i] = out[j] as number
    out[j] = i
  }
}

export async function* trainPpo(options: {
  readonly settings: PpoSettings
  readonly environment: VectorEnvironment
  /** Of all rows together; the last rollout is finished. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<Progress, Trained<PolicySpec>> {
  const { settings, steps: total } = options
  const learner = await makePpoLearner(options)
  let loss: number | null = null
  while (learner.progress().steps < total) {
    // Before the rollout: the first is learned from at the full rate, and none at that of after the last.
    const share = learner.progress().steps / total
    do {
      learner.step()
      yield { ...learner.progress(), loss }
    } while (!learner.isDue())
    const learningRate = fallen(settings.learningRate, settings.learningRateEnd, share)
    loss = await learner.update({ learningRate, lambda: settings.lambda })
    if (!Number.isFinite(loss)) return learner.trained("diverged")
  }
  return learner.trained("steps")
}
