/** How many answers of a Tiny Recursive Model are right, after all steps of supervision. */

import * as ops from "../graph/ops.ts"
import { evaluatingBuilder, type Manifest } from "../graph/Parameters.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import type { Run } from "../training/Trainer.ts"
import type { TrmRow } from "./CarriedRows.ts"
import { superviseAll } from "./supervise.ts"
import { ignoredLabel } from "./TrmLoss.ts"
import { trmNet } from "./TrmNet.ts"
import { answersOf, classesOf, inputsOf, type TrmSpec, type TrmTask } from "./TrmSpec.ts"
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
