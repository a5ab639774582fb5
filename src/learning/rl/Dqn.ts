/**
 * Deep Q-learning (Mnih et al., Human-level Control through Deep Reinforcement Learning, 2015) with what has proved itself
 * since: double (van Hasselt et al., 2016), dueling (Wang et al., 2016), prioritised replay (Schaul et al., 2016) and
 * returns of n steps, together as in Rainbow (Hessel et al., 2018).
 *
 *   error = return + discount * Q_target(s', argmax over a' of Q(s', a')) - Q(s, a)
 *   loss  = weight * huber(error)
 *
 * Many rows of the environment are stepped together and many updates are one run of onnxruntime. While a run is computed,
 * by another process where there is one, the learner acts on with the parameters from before it: what comes of a run is
 * taken when the next one begins, never earlier, so that nothing depends on how long it took.
 *
 * What can go wrong: settings out of range throw ParseError, an environment of continuous actions or of numbers that are not
 * finite EnvironmentInvalid; a loss that is no number any more ends it as diverged, with the parameters from before.
 * Invariants: equal settings, seeds and environments give equal bytes; nothing is learned of what follows a termination,
 * and what follows a truncation is estimated from the observation before the reset.
 */
import { Schema } from "effect"
import type { VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { adam } from "../training/Optimiser.ts"
import type { Fed, Open } from "../training/Trainer.ts"
import { type Trainable, trainingGraphs } from "../training/TrainingGraphs.ts"
import { actionsOf, greedyActions } from "./acting.ts"
import { type Episodes, makeEpisodes } from "./Episodes.ts"
import { makeNStepReturns } from "./NStepReturns.ts"
import { type Drawn, makePrioritisedReplay, type PrioritisedReplay } from "./PrioritisedReplay.ts"
import type { Progress, Trained } from "./Progress.ts"
import { type QNetworkSpec, qForward, qNetwork, qValuesSpec } from "./QNetwork.ts"
import { BatchRows, Count, Hidden, Positive, RunUpdates, Share } from "./settings.ts"
import { fallen, firstState, flat, type LearnerState, runUpdates, stacked, type Updated } from "./Updates.ts"

export const DqnSettings = Schema.Struct({
  /** Units of the hidden layers. */
  hidden: Hidden,
  isDueling: Schema.Boolean,
  /** Whether the network itself chooses the action that the target network values. */
  isDouble: Schema.Boolean,
  learningRate: Positive,
  /** What is left of the learning rate at the end, to which it falls linearly. */
  learningRateEnd: Share,
  discount: Share,
  /** Share of actions taken at random: max(epsilonMin, epsilonStart * epsilonDecay ^ ended episodes). */
  epsilonStart: Share,
  epsilonMin: Share,
  epsilonDecay: Share,
  /** Steps whose rewards a return adds up. */
  returnSteps: Schema.Int.pipe(Schema.between(1, 1_000)),
  /** Transitions that are remembered. */
  memorySize: Schema.Int.pipe(Schema.between(1, 1_000_000)),
  /** 0 draws uniformly. */
  priorityExponent: Share,
  /** How far unequal drawing is made up for at first; wholly at the end. */
  importanceStart: Share,
  batchRows: BatchRows,
  /** Steps of the environment before the first update. */
  stepsBefore: Count,
  /** Steps of the environment for each update. */
  stepsPerUpdate: Count,
  /** Updates of one run. */
  updatesPerRun: RunUpdates,
  /** Updates after which the target network becomes the network. */
  targetEveryUpdates: Count,
  gradientNormMax: Positive
})
export type DqnSettings = typeof DqnSettings.Type

/** Those of the mission; what it leaves open as Rainbow and PyTorch have it. */
export const dqnDefaults: DqnSettings = {
  hidden: [128, 128],
  isDueling: true,
  isDouble: true,
  learningRate: 0.001,
  learningRateEnd: 1,
  discount: 0.95,
  epsilonStart: 1,
  epsilonMin: 0.01,
  epsilonDecay: 0.995,
  returnSteps: 3,
  memorySize: 10_000,
  priorityExponent: 0.6,
  importanceStart: 0.4,
  batchRows: 32,
  stepsBefore: 1_000,
  stepsPerUpdate: 4,
  updatesPerRun: 32,
  targetEveryUpdates: 250,
  gradientNormMax: 10
}

/** |e| - 1/2 beyond 1, and e^2 / 2 within (Huber, 1964). */
const huber = (error: Value): Value => {
  const size = ops.abs(error)
  const within = ops.min(size, 1)
  return ops.mul(within, ops.sub(size, ops.mul(within, 0.5)))
}

/** What an update has less of. `nextValues` are those of the target network. */
export const dqnTrainable = (network: QNetworkSpec, isDouble: boolean): Trainable => ({
  fields: [
    { name: "observations", shape: [network.observations] },
    { name: "next", shape: [network.observations] },
    /** 1 for the action that was taken, 0 for the others. */
    { name: "taken", shape: [network.actions] },
    { name: "returns", shape: [] },
    { name: "discounts", shape: [] },
    { name: "nextValues", shape: [network.actions] },
    { name: "importance", shape: [] }
  ],
  forward: (b, batch) => {
    const of = (name: string) => batch[name] as Value
    const q = qNetwork(b, network)
    const chosenBy = isDouble ? ops.stopGradient(q(of("next"))) : of("nextValues")
    const isBest = ops.cast(ops.equal(chosenBy, ops.reduceMax(chosenBy, [1], true)), "float")
    // Of actions that are equally good the mean.
    const best = ops.div(isBest, ops.reduceSum(isBest, [1], true))
    const worth = ops.reduceSum(ops.mul(best, of("nextValues")), [1])
    const target = ops.add(of("returns"), ops.mul(of("discounts"), worth))
    const value = ops.reduceSum(ops.mul(q(of("observations")), of("taken")), [1])
    const errors = ops.sub(target, value)
    return { losses: ops.mul(of("importance"), huber(errors)), outputs: [["errors", errors]] }
  }
})

export const memoryFor = (
  { memorySize, priorityExponent }: DqnSettings,
  { observationSpace }: VectorEnvironment
): PrioritisedReplay =>
  makePrioritisedReplay({
    capacity: memorySize,
    observations: observationSpace.size,
    exponent: priorityExponent
  })

/** The drawn rows as the graph of updates takes them, but for what the target network says of them. */
const batchesOf = (memory: PrioritisedReplay, { slots, weights }: Drawn, network: QNetworkSpec) => {
  const { actions, observations: width } = network
  const rows = slots.length
  const observations = new Float32Array(rows * width)
  const next = new Float32Array(rows * width)
  const taken = new Float32Array(rows * actions)
  const returns = new Float32Array(rows)
  const discounts = new Float32Array(rows)
  for (let i = 0; i < rows; i++) {
    const slot = slots[i] as number
    for (let k = 0; k < width; k++) {
      observations[i * width + k] = memory.observations[slot * width + k] as number
      next[i * width + k] = memory.nextObservations[slot * width + k] as number
    }
    taken[i * actions + (memory.actions[slot] as number)] = 1
    returns[i] = memory.gains[slot] as number
    discounts[i] = memory.discounts[slot] as number
  }
  return { observations, next, taken, returns, discounts, importance: weights }
}

/** A network that learns in its environment; several may fill and draw from one memory. */
export interface DqnLearner {
  readonly episodes: Episodes
  /** Acts one step in all rows, and remembers it. */
  readonly step: () => void
  /** Whether the steps so far have paid for a run of updates. */
  readonly isDue: () => boolean
  /**
   * Takes what the last run came to and begins the next one, at a share of all steps; the mean loss of what was taken, null
   * before there was a run, no number where it diverged and nothing was taken.
   */
  readonly update: (share: number) => Promise<number | null>
  /** Takes what the last run came to. */
  readonly finish: () => Promise<number | null>
  readonly progress: () => Omit<Progress, "loss">
  readonly trained: (reason: Trained<QNetworkSpec>["reason"]) => Trained<QNetworkSpec>
}

export const makeDqnLearner = async (options: {
  readonly settings: DqnSettings
  readonly environment: VectorEnvironment
  readonly memory: PrioritisedReplay
  readonly open: Open
  readonly seed: number
}): Promise<DqnLearner> => {
  const { environment, memory, open, seed } = options
  const settings = Schema.validateSync(DqnSettings)(options.settings)
  const { batchRows, hidden, isDouble, isDueling, stepsBefore, stepsPerUpdate, updatesPerRun } = settings
  const { environments } = environment
  const actions = actionsOf(environment)
  const width = environment.observationSpace.size
  const network: QNetworkSpec = { observations: width, actions, hidden, isDueling }
  const graphs = trainingGraphs(dqnTrainable(network, isDouble), {
    rows: batchRows,
    optimiser: adam,
    gradientNormMax: settings.gradientNormMax
  })
  const { manifest } = graphs
  const rows = updatesPerRun * batchRows
  const runSteps = await open(graphs.steps(updatesPerRun))
  const runTarget = await open(qValuesSpec(network, manifest, rows))
  const forward = qForward(network, manifest)
  const episodes = makeEpisodes(environments)
  const returns = makeNStepReturns({
    environments,
    observations: width,
    steps: settings.returnSteps,
    discount: settings.discount,
    take: memory.add
  })
  const exploring = keyedRandom(seed, "dqn", "explore")
  const drawing = keyedRandom(seed, "dqn", "draw")
  const before = new Float32Array(environments * width)
  const values = new Float32Array(environments * actions)
  const taken = new Int32Array(environments)

  let state: LearnerState = firstState(graphs, seed)
  let target = state.parameters
  let steps = 0
  /** Updates that the steps so far have paid for. */
  let owed = 0
  let running: Promise<{ readonly drawn: Drawn; readonly updated: Updated }> | undefined

  const begin = async (share: number) => {
    const importance = settings.importanceStart + (1 - settings.importanceStart) * Math.min(1, share)
    const drawn = memory.draw(updatesPerRun, batchRows, importance, drawing)
    const batches = batchesOf(memory, drawn, network)
    // What is learned from is fixed before anything is waited for.
    const from = state
    const { values: nextValues } = await runTarget({
      parameters: flat(target),
      x: { shape: [rows, width], data: batches.next }
    })
    const stack = stacked(updatesPerRun, batchRows)
    const fields: Readonly<Record<string, Fed>> = {
      observations: stack(batches.observations, width),
      next: stack(batches.next, width),
      taken: stack(batches.taken, actions),
      returns: stack(batches.returns),
      discounts: stack(batches.discounts),
      nextValues: stack(nextValues as Float32Array, actions),
      importance: stack(batches.importance)
    }
    const learningRate = fallen(settings.learningRate, settings.learningRateEnd, share)
    const course = { count: updatesPerRun, rows: batchRows, optimiser: adam, learningRate }
    return { drawn, updated: await runUpdates(runSteps, from, course, fields) }
  }

  const finish = async (): Promise<number | null> => {
    if (running === undefined) return null
    const { drawn, updated } = await running
    running = undefined
    if (!Number.isFinite(updated.loss)) return updated.loss
    const { targetEveryUpdates } = settings
    const periods = ({ updates }: LearnerState) => Math.floor(updates / targetEveryUpdates)
    if (periods(state) < periods(updated.state)) target = updated.state.parameters
    state = updated.state
    memory.learned(drawn, updated.outputs.errors as Float32Array)
    return updated.loss
  }

  environment.reset()
  return {
    episodes,
    step: () => {
      before.set(environment.observations)
      forward(state.parameters, before, environments, values)
      greedyActions(values, actions, taken)
      const epsilon = epsilonAt(settings, episodes.count())
      for (let row = 0; row < environments; row++) {
        if (exploring.next() < epsilon) taken[row] = exploring.int(actions)
      }
      environment.step(taken)
      episodes.note(environment)
      returns.push(before, taken, environment)
      steps += environments
      if (steps > stepsBefore) owed += environments / stepsPerUpdate
    },
    isDue: () => owed >= updatesPerRun && memory.size() > 0,
    update: async (share) => {
      const loss = await finish()
      if (loss !== null && !Number.isFinite(loss)) return loss
      owed -= updatesPerRun
      running = begin(share)
      // It is awaited later: until then nobody else would hear of its failure.
      running.catch(() => undefined)
      return loss
    },
    finish,
    progress: () => ({
      steps,
      episodes: episodes.count(),
      updates: state.updates,
      meanReturn: episodes.meanReturn(),
      exploration: epsilonAt(settings, episodes.count())
    }),
    trained: (reason) => ({
      reason,
      network,
      manifest,
      parameters: state.parameters,
      updates: state.updates,
      steps,
      episodes: episodes.count(),
      meanReturn: episodes.meanReturn()
    })
  }
}

const epsilonAt = ({ epsilonDecay, epsilonMin, epsilonStart }: DqnSettings, episodes: number): number =>
  Math.max(epsilonMin, epsilonStart * epsilonDecay ** episodes)

export async function* trainDqn(options: {
  readonly settings: DqnSettings
  readonly environment: VectorEnvironment
  /** Of all rows together. */
  readonly steps: number
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<Progress, Trained<QNetworkSpec>> {
  const settings = Schema.validateSync(DqnSettings)(options.settings)
  const learner = await makeDqnLearner({
    ...options,
    settings,
    memory: memoryFor(settings, options.environment)
  })
  let loss: number | null = null
  while (learner.progress().steps < options.steps) {
    learner.step()
    while (learner.isDue()) {
      loss = await learner.update(learner.progress().steps / options.steps)
      if (loss !== null && !Number.isFinite(loss)) return learner.trained("diverged")
    }
    yield { ...learner.progress(), loss }
  }
  loss = await learner.finish()
  return learner.trained(loss === null || Number.isFinite(loss) ? "steps" : "diverged")
}
