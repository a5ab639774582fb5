/**
 * A supervision step as something to train: a batch of rows with their states in, losses and the next states out. Deep
 * supervision is a loop around it.
 */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import type { Trainable } from "../training/TrainingGraphs.ts"
import { trmLosses } from "./TrmLoss.ts"
import { type TrmNet, trmNet } from "./TrmNet.ts"
import { answersOf, inputsOf, placesOf, type TrmSpec } from "./TrmSpec.ts"

/** What a step gives out beside its loss: states and logits, and by row the parts of the loss, and 1 where all is right. */
export const trmOutputs = {
  y: "next-y",
  z: "next-z",
  logits: "logits",
  halting: "halting",
  answerLosses: "answer-losses",
  haltLosses: "halt-losses",
  isRight: "is-right"
} as const

/** x, of tokens or features as they are fed: floats. */
export const embedFed = (net: TrmNet, { task }: TrmSpec, inputs: Value): Value =>
  net.embed(task.kind === "tokens" ? ops.cast(inputs, "int64") : inputs)

/** Fields: inputs, labels (`ignoredLabel` where there is none), y and z; whole numbers as floats. */
export const trmTrainable = (spec: TrmSpec): Trainable => {
  const { sizes, task } = spec
  const state = [placesOf(task), sizes.width]
  return {
    fields: [
      { name: "inputs", shape: [inputsOf(task)] },
      { name: "labels", shape: [answersOf(task)] },
      { name: "y", shape: state },
      { name: "z", shape: state }
    ],
    forward: (b, batch) => {
      const net = trmNet(b, spec)
      const { inputs, labels, y, z } = batch as Readonly<Record<"inputs" | "labels" | "y" | "z", Value>>
      const next = net.superviseOnce(embedFed(net, spec, inputs), { y, z })
      const logits = net.logits(next.y)
      const halting = net.halting(next.y)
      const { answer, halt, isRight, total } = trmLosses(logits, halting, ops.cast(labels, "int64"))
      return {
        losses: total,
        outputs: [
          [trmOutputs.y, next.y],
          [trmOutputs.z, next.z],
          [trmOutputs.logits, logits],
          [trmOutputs.halting, halting],
          [trmOutputs.answerLosses, answer],
          [trmOutputs.haltLosses, halt],
          [trmOutputs.isRight, isRight]
        ]
      }
    }
  }
}
