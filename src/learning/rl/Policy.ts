/**
 * A policy and its critic, each a network of its own. Of a few actions the policy gives the log odds; of continuous ones the
 * mean of a Gaussian, whose deviation is learned apart from the observation.
 *
 * Continuous actions are thought of in [-1, 1]: the Gaussian is unbounded there, what lies outside is clipped only when it is
 * acted, and then stretched to the environment's box. Probabilities are those of the unclipped action.
 *
 * What an action is to the graph ("taken") is a row of as many numbers as the policy gives: 1 for the action that was taken
 * and 0 for the others, or the unclipped action itself.
 *
 * Invariant: the typed arrays agree with the graph up to the rounding of float32.
 */
import type { ActionSpace, Actions, VectorEnvironment } from "../../protocols/VectorEnvironment.ts"
import type { KeyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly, type Manifest, manifestOf, uniform } from "../graph/Parameters.ts"
import { type Act, greedyActions } from "./acting.ts"
import { type Forward, forwardOf, type MlpSpec, mlp } from "./Mlp.ts"

export interface PolicySpec {
  readonly observations: number
  readonly actionSpace: ActionSpace
  readonly hidden: ReadonlyArray<number>
}

export const policyFor = (
  { actionSpace, observationSpace }: VectorEnvironment,
  hidden: ReadonlyArray<number>
): PolicySpec => ({ observations: observationSpace.size, actionSpace, hidden })

/** Numbers that the policy gives for a row. */
export const policyWidth = ({ actionSpace }: PolicySpec): number =>
  actionSpace.kind === "discrete" ? actionSpace.actions : actionSpace.size

/** At first all actions are about equally likely. */
const firstOdds = uniform(0.01)
const firstLogDeviation = Math.log(0.5)
const logDeviationName = "log-deviation"
const halfLogTwoPi = Math.log(2 * Math.PI) / 2

const actorOf = (spec: PolicySpec): MlpSpec => ({
  name: "actor",
  inputs: spec.observations,
  hidden: spec.hidden,
  outputs: policyWidth(spec),
  activation: "tanh",
  last: firstOdds
})

const criticOf = ({ hidden, observations }: PolicySpec): MlpSpec => ({
  name: "critic",
  inputs: observations,
  hidden,
  outputs: 1,
  activation: "tanh"
})

/** The log odds or the mean, [rows, width]. */
export const policyGraph = (b: Builder, spec: PolicySpec): ((x: Value) => Value) => mlp(b, actorOf(spec))

export interface Judged {
  /** [rows] */
  readonly logProbabilities: Value
  /** [rows] */
  readonly entropies: Value
  /** What the critic takes the observations to be worth, [rows]. */
  readonly values: Value
}

/** Observations [rows, size] and what was taken there [rows, width]. */
export const judge = (b: Builder, spec: PolicySpec, observations: Value, taken: Value): Judged => {
  const output = policyGraph(b, spec)(observations)
  const values = ops.reshape(mlp(b, criticOf(spec))(observations), [-1])
  if (spec.actionSpace.kind === "discrete") {
    const logs = ops.logSoftmax(output)
    return {
      logProbabilities: ops.reduceSum(ops.mul(logs, taken), [1]),
      entropies: ops.neg(ops.reduceSum(ops.mul(ops.exp(logs), logs), [1])),
      values
    }
  }
  const { size } = spec.actionSpace
  const logDeviation = b.parameter(logDeviationName, [size], constantly(firstLogDeviation))
  const errors = ops.div(ops.sub(taken, output), ops.exp(logDeviation))
  const logs = ops.sub(ops.mul(ops.mul(errors, errors), -0.5), ops.add(logDeviation, halfLogTwoPi))
  const entropy = ops.add(ops.sumAll(logDeviation), size * (0.5 + halfLogTwoPi))
  return {
    logProbabilities: ops.reduceSum(logs, [1]),
    entropies: ops.broadcastLike(entropy, values),
    values
  }
}

/** The parameters of the policy and of its critic. */
export const policyManifest = (spec: PolicySpec) =>
  manifestOf((b) =>
    judge(b, spec, ops.input("x", [1, spec.observations]), ops.input("taken", [1, policyWidth(spec)]))
  )

/** What `policyGraph` gives, in typed arrays. */
export const policyOutputs = (spec: PolicySpec, manifest: Manifest): Forward =>
  forwardOf(actorOf(spec), manifest)

/** An action of [-1, 1] in the environment's box; what lies outside is clipped. */
export const toBox = (
  action: number,
  { high, low }: { readonly low: number; readonly high: number }
): number => low + ((Math.min(1, Math.max(-1, action)) + 1) / 2) * (high - low)

export interface Actor {
  /**
   * Draws actions for rows of observations. From `at`, in rows, it writes what was taken [width] and how likely it was.
   */
  readonly draw: (
    parameters: Float32Array,
    observations: Float32Array,
    random: KeyedRandom,
    actions: Actions,
    taken: Float32Array,
    logProbabilities: Float32Array,
    at: number
  ) => void
  /** The likeliest actions. */
  readonly best: (parameters: Float32Array, observations: Float32Array, actions: Actions) => void
  /** What so many rows of observations are worth. */
  readonly values: (
    parameters: Float32Array,
    observations: Float32Array,
    rows: number,
    out: Float32Array
  ) => void
}

export const actorFor = (spec: PolicySpec, manifest: Manifest): Actor => {
  const forward = policyOutputs(spec, manifest)
  const values = forwardOf(criticOf(spec), manifest)
  const width = policyWidth(spec)
  const { actionSpace } = spec
  const logDeviation = manifest.entries.find(({ name }) => name === logDeviationName)?.offset ?? 0
  let output = new Float64Array()
  const evaluate = (parameters: Float32Array, observations: Float32Array, rows: number) => {
    if (output.length < rows * width) output = new Float64Array(rows * width)
    forward(parameters, observations, rows, output)
  }

  const drawOdds = (
    rows: number,
    random: KeyedRandom,
    actions: Actions,
    taken: Float32Array,
    logs: Float32Array,
    at: number
  ) => {
    for (let row = 0; row < rows; row++) {
      const base = row * width
      let highest = Number.NEGATIVE_INFINITY
      for (let a = 0; a < width; a++) highest = Math.max(highest, output[base + a] as number)
      let total = 0
      for (let a = 0; a < width; a++) total += Math.exp((output[base + a] as number) - highest)
      let rest = random.next() * total
      let action = 0
      for (; action < width - 1; action++) {
        rest -= Math.exp((output[base + action] as number) - highest)
        if (rest < 0) break
      }
      actions[row] = action
      for (let a = 0; a < width; a++) taken[(at + row) * width + a] = a === action ? 1 : 0
      logs[at + row] = (output[base + action] as number) - highest - Math.log(total)
    }
  }

  return {
    values,
    draw: (parameters, observations, random, actions, taken, logs, at) => {
      const rows = observations.length / spec.observations
      evaluate(parameters, observations, rows)
      if (actionSpace.kind === "discrete") return drawOdds(rows, random, actions, taken, logs, at)
      for (let row = 0; row < rows; row++) {
        let log = 0
        for (let k = 0; k < width; k++) {
          const logSigma = parameters[logDeviation + k] as number
          const normal = random.normal()
          const action = (output[row * width + k] as number) + Math.exp(logSigma) * normal
          taken[(at + row) * width + k] = action
          actions[row * width + k] = toBox(action, actionSpace)
          log -= normal ** 2 / 2 + logSigma + halfLogTwoPi
        }
        logs[at + row] = log
      }
    },
    best: (parameters, observations, actions) => {
      const rows = observations.length / spec.observations
      evaluate(parameters, observations, rows)
      if (actionSpace.kind === "discrete") return greedyActions(output, width, actions as Int32Array)
      for (let i = 0; i < rows * width; i++) actions[i] = toBox(output[i] as number, actionSpace)
    }
  }
}

/** Acts by what was learned, always the likeliest. */
export const actByPolicy = (spec: PolicySpec, manifest: Manifest, parameters: Float32Array): Act => {
  const actor = actorFor(spec, manifest)
  return (observations, actions) => actor.best(parameters, observations, actions)
}
