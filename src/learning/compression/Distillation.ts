/**
 * A small network that learns from a larger one (Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural
 * Network, 2015): for classes alpha x cross-entropy + (1 - alpha) T^2 KL(teacher || student) at temperature T, for
 * numbers alpha x loss + (1 - alpha) x squared error to the teacher's answers.
 *
 * The teacher's outputs are computed once and are a third field of a batch. T^2 keeps the second term's gradient the
 * same size whatever the temperature. Validation is by the hard loss alone, so that students of any alpha can be
 * compared, and validation rows need no teacher.
 *
 * What can go wrong: a teacher that has seen the validation rows makes a student that seems better than it is. Outputs
 * that are not finite, or of another number than the rows, throw CompressionInvalid.
 * Invariants: with alpha = 1 the loss and its gradient are those of the network by itself.
 */
import { contentHash, sha256 } from "../../protocols/wire/Json.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import type { Manifest } from "../graph/Parameters.ts"
import { lossesOf } from "../networks/head.ts"
import { servingSpec } from "../networks/models.ts"
import { type HeadSpec, headSize, type NetworkSpec, targetShape } from "../networks/NetworkSpec.ts"
import { networkOf } from "../networks/network.ts"
import type { Dataset } from "../training/Dataset.ts"
import type { Objective, Open } from "../training/Trainer.ts"
import { CompressionInvalid } from "./errors.ts"

export interface DistillationSpec {
  /** Of the hard loss, in [0, 1]. */
  readonly alpha: number
  /** Above 0; 1 takes the teacher's probabilities as they are. For classes alone. */
  readonly temperature: number
}

const teacherField = "teacher"

/** Numbers of a teacher's output for one row: logits, means, or quantiles. */
export const teacherSize = (head: HeadSpec): number => {
  if (head.kind !== "gaussian") return headSize(head)
  throw new CompressionInvalid({
    part: "a head of means and deviations",
    reason: "has no distillation: there is no one squared error of the two"
  })
}

/** [rows]: what the student is away from the teacher. */
const softLosses = (head: HeadSpec, output: Value, teacher: Value, temperature: number): Value => {
  if (head.kind !== "classification") {
    const error = ops.sub(output, teacher)
    return ops.reduceMean(ops.mul(error, error), [1])
  }
  const logits = (of: Value) => ops.logSoftmax(ops.mul(of, 1 / temperature))
  const given = logits(teacher)
  const divergence = ops.reduceSum(ops.mul(ops.exp(given), ops.sub(given, logits(output))), [1])
  return ops.mul(divergence, temperature ** 2)
}

/**
 * @param teacher outputs [rows, size] that the student learns from, for what they are part of the identity
 */
export const distillation = (
  student: NetworkSpec,
  { alpha, temperature }: DistillationSpec,
  teacher: Float32Array
): Objective => {
  const { head } = student
  if (!(alpha >= 0 && alpha <= 1)) {
    throw new CompressionInvalid({ part: "alpha", reason: `is ${alpha}, not from 0 to 1` })
  }
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new CompressionInvalid({ part: "the temperature", reason: `is ${temperature}, not above 0` })
  }
  return {
    identity: contentHash({
      alpha,
      temperature,
      teacher: sha256(new Uint8Array(teacher.buffer, teacher.byteOffset, teacher.byteLength))
    }),
    trainable: {
      fields: [
        { name: "x", shape: [student.length, student.features] },
        { name: "y", shape: targetShape(head) },
        { name: teacherField, shape: [teacherSize(head)] }
      ],
      forward: (b, batch) => {
        const { x, y } = batch as Readonly<Record<"x" | "y", Value>>
        const output = networkOf(student)(b, x)
        const hard = lossesOf(head, output, y)
        if (b.mode === "serve") return { losses: hard }
        const soft = softLosses(head, output, batch[teacherField] as Value, temperature)
        return { losses: ops.add(ops.mul(hard, alpha), ops.mul(soft, 1 - alpha)) }
      }
    }
  }
}

/** The rows, each with what the teacher says of it. */
export const taughtDataset = (data: Dataset, teacher: Float32Array, head: HeadSpec): Dataset => {
  const size = teacherSize(head)
  if (teacher.length !== data.rows * size) {
    throw new CompressionInvalid({
      part: "the teacher's output",
      reason: `has ${teacher.length} numbers for ${data.rows} rows of ${size}`
    })
  }
  if (!teacher.every(Number.isFinite)) {
    throw new CompressionInvalid({ part: "the teacher's output", reason: "is not finite" })
  }
  return {
    ...data,
    fill: (index, at, x, y, ...others) => {
      data.fill(index, at, x, y)
      others[0]?.set(teacher.subarray(index * size, (index + 1) * size), at * size)
    }
  }
}

/** What a teacher that was trained here says of each row: [rows, size]. */
export const teacherOutputs = async (options: {
  readonly network: NetworkSpec
  readonly manifest: Manifest
  readonly parameters: Float32Array
  readonly data: Dataset
  readonly open: Open
  readonly batchRows: number
}): Promise<Float32Array> => {
  const { batchRows, data, manifest, network, open, parameters } = options
  const { features, head, length } = network
  const same = { means: Array<number>(features).fill(0), deviations: Array<number>(features).fill(1) }
  const spec = servingSpec(network, manifest, parameters, same)
  // The first answer: logits, the prediction, the quantiles.
  const [[name]] = spec.outputs as readonly [readonly [string, Value]]
  const run = await open(spec)
  const size = teacherSize(head)
  const width = targetShape(head).reduce((product, one) => product * one, 1)
  const outputs = new Float32Array(data.rows * size)
  for (let from = 0; from < data.rows; from += batchRows) {
    const rows = Math.min(batchRows, data.rows - from)
    const x = new Float32Array(rows * length * features)
    const y = new Float32Array(rows * width)
    for (let at = 0; at < rows; at++) data.fill(from + at, at, x, y)
    const results = await run({ features: { shape: [rows, length, features], data: x } })
    outputs.set(results[name] as Float32Array, from * size)
  }
  return outputs
}
