/**
 * How good the answers of a Tiny Recursive Model are: how many are right after all steps of supervision, and how much
 * is lost by the ones that it is served with, each of the step at which its row halts.
 */
import * as ops from "../graph/ops.ts"
import { evaluatingBuilder, type Manifest } from "../graph/Parameters.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import type { Run } from "../training/Trainer.ts"
import type { InitialState, TrmRow } from "./CarriedRows.ts"
import { superviseAll } from "./supervise.ts"
import { ignoredLabel } from "./TrmLoss.ts"
import { trmNet } from "./TrmNet.ts"
import { answersOf, classesOf, inputsOf, placesOf, type TrmSpec, type TrmTask } from "./TrmSpec.ts"
import { embedFed } from "./TrmTrainable.ts"

/** Parameters and inputs [rows, ...] -> logits and q after so many steps. */
export const evaluationSpec = (
  spec: TrmSpec,
  manifest: Manifest,
  rows: number,
  supervisionSteps: number
): OnnxSpec => {
  const parameters = ops.input("parameters", [manifest.size])
  const inputs = ops.input("inputs", [rows, inputsOf(spec.task)])
  const net = trmNet(evaluatingBuilder(manifest, parameters), spec)
  const y = superviseAll(net, embedFed(net, spec, inputs), supervisionSteps)
  return {
    name: "evaluate",
    inputs: [parameters, inputs],
    outputs: [
      ["logits", net.logits(y)],
      ["halting", net.halting(y)]
    ]
  }
}

export interface TrmScore {
  readonly rows: number
  /** Share of the rows all of whose answers are right. */
  readonly solved: number
  /** Share of the answers that are right. */
  readonly right: number
}

/** The class of the highest logit, of each answer. */
export const predictions = (logits: ArrayLike<number>, classes: number): Int32Array =>
  Int32Array.from({ length: logits.length / classes }, (_, answer) => {
    let best = 0
    for (let k = 1; k < classes; k++) {
      if ((logits[answer * classes + k] as number) > (logits[answer * classes + best] as number)) best = k
    }
    return best
  })

/** @param run of an `evaluationSpec` with the same number of rows */
export const evaluateTrm = async (options: {
  readonly task: TrmTask
  readonly rows: number
  readonly run: Run
  readonly parameters: Float32Array
  readonly examples: ReadonlyArray<TrmRow>
}): Promise<TrmScore> => {
  const { examples, parameters, rows, run, task } = options
  const answers = answersOf(task)
  let solved = 0
  let right = 0
  let counted = 0
  for (let at = 0; at < examples.length; at += rows) {
    const part = examples.slice(at, at + rows)
    const data = new Float32Array(rows * inputsOf(task))
    part.forEach((row, i) => {
      data.set(row.inputs, i * inputsOf(task))
    })
    const results = await run({
      parameters: { shape: [parameters.length], data: parameters },
      inputs: { shape: [rows, inputsOf(task)], data }
    })
    const given = predictions(results.logits as Float32Array, classesOf(task))
    part.forEach(({ labels }, i) => {
      let wrong = 0
      for (let k = 0; k < answers; k++) {
        if (labels[k] === ignoredLabel) continue
        counted++
        if (given[i * answers + k] === labels[k]) right++
        else wrong++
      }
      if (wrong === 0) solved++
    })
  }
  return {
    rows: examples.length,
    solved: solved / Math.max(1, examples.length),
    right: right / Math.max(1, counted)
  }
}

/** Parameters, inputs [rows, ...] and states -> the states, logits and q after one step more. */
export const answeringSpec = (spec: TrmSpec, manifest: Manifest, rows: number): OnnxSpec => {
  const state = [rows, placesOf(spec.task), spec.sizes.width]
  const parameters = ops.input("parameters", [manifest.size])
  const inputs = ops.input("inputs", [rows, inputsOf(spec.task)])
  const [y, z] = [ops.input("y", state), ops.input("z", state)]
  const net = trmNet(evaluatingBuilder(manifest, parameters), spec)
  const next = net.superviseOnce(embedFed(net, spec, inputs), { y, z })
  return {
    name: "answer",
    inputs: [parameters, inputs, y, z],
    outputs: [
      ["next-y", next.y],
      ["next-z", next.z],
      ["logits", net.logits(next.y)],
      ["halting", net.halting(next.y)]
    ]
  }
}

/** Stable-max cross-entropy of one answer, in float64: see TrmLoss.ts. */
const surpriseOf = (logits: Float32Array, label: number): number => {
  const stable = (v: number) => (v >= 0 ? v + 1 : 1 / (1 - v))
  const total = logits.reduce((sum, v) => sum + stable(v), 0)
  return Math.log(total) - Math.log(stable(logits[label] as number))
}

/**
 * The mean loss of one answer a row, each after the step at which its row halts, or after the last.
 *
 * One run is one step of so many rows, and takes no longer than one of the training: whoever drives it may stop between
 * any two.
 *
 * @param run of an `answeringSpec` with the same number of rows
 */
export const servedLoss = async (options: {
  readonly spec: TrmSpec
  readonly rows: number
  readonly supervisionSteps: number
  readonly run: Run
  readonly parameters: Float32Array
  readonly initial: InitialState
  readonly examples: { readonly rows: number; readonly rowAt: (index: number) => TrmRow }
}): Promise<number> => {
  const { examples, initial, parameters, rows, run, spec, supervisionSteps } = options
  const [inputs, classes, places] = [inputsOf(spec.task), classesOf(spec.task), placesOf(spec.task)]
  const { width } = spec.sizes
  const begun = (vector: Float32Array) =>
    Float32Array.from({ length: rows * places * width }, (_, i) => vector[i % width] as number)
  let total = 0
  for (let at = 0; at < examples.rows; at += rows) {
    const part = Array.from({ length: Math.min(rows, examples.rows - at) }, (_, i) => examples.rowAt(at + i))
    const data = new Float32Array(rows * inputs)
    part.forEach((row, i) => {
      data.set(row.inputs, i * inputs)
    })
    let [y, z] = [begun(initial.y), begun(initial.z)]
    const losses = new Float64Array(part.length)
    const active = new Set(part.keys())
    for (let step = 0; step < supervisionSteps && active.size > 0; step++) {
      const shape = [rows, places, width]
      const results = await run({
        parameters: { shape: [parameters.length], data: parameters },
        inputs: { shape: [rows, inputs], data },
        y: { shape, data: y },
        z: { shape, data: z }
      })
      const of = (name: string) => results[name] as Float32Array<ArrayBuffer>
      ;[y, z] = [of("next-y"), of("next-z")]
      for (const row of active) {
        const logits = of("logits").subarray(row * classes, (row + 1) * classes)
        losses[row] = surpriseOf(logits, part[row]?.labels[0] as number)
        // What is no number halts nothing: it is found in the loss.
        if ((of("halting")[row] as number) > 0) active.delete(row)
      }
    }
    total += losses.reduce((sum, loss) => sum + loss, 0)
  }
  return total / Math.max(1, examples.rows)
}
