/**
 * Another calibrator for an opinion model that exists: what computes the score stays as it is, to the bit, and what makes
 * opinions of the score is built anew.
 *
 * What can go wrong: a model that is no opinion model (NotAnOpinionModel); a calibrator that float32 cannot hold throws
 * ArtefactInvalid.
 * Invariants: the outputs beside the opinion are those of the model that was given; equal models and calibrators give
 * equal bytes.
 */
import { Either } from "effect"
import type { NotAnOpinionModel } from "./errors.ts"
import { within } from "./graph/Graph.ts"
import * as ops from "./graph/ops.ts"
import { batch } from "./graph/TensorType.ts"
import { toOnnx } from "./graph/toOnnx.ts"
import { calibratedOutputs, checkCalibrator, describe } from "./OpinionModel.ts"
import type { ModelProto, NodeProto } from "./onnx/OnnxFile.ts"
import type { Calibrator } from "./ScoreCalibrator.ts"

const calibrated: ReadonlySet<string> = new Set(["probabilities", "expected_return", "spread"])
const given: ReadonlySet<string> = new Set(["score", "sigma", "band"])
const prefix = "calibration."

/** The nodes and constants that outputs follow from, in their order. */
const neededFor = ({ initializers, nodes }: ModelProto["graph"], outputs: ReadonlyArray<string>) => {
  const needed = new Set(outputs)
  const kept: Array<NodeProto> = []
  const readsOf = (node: NodeProto): ReadonlyArray<string> => [
    ...node.inputs,
    ...node.attributes.flatMap((one) => (one.type === "graph" ? one.value.nodes.flatMap(readsOf) : [])),
    // What a loop's body gives out may come from outside as it is.
    ...node.attributes.flatMap((one) =>
      one.type === "graph" ? one.value.outputs.map(({ name }) => name) : []
    )
  ]
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue
    kept.unshift(node)
    for (const name of readsOf(node)) needed.add(name)
  }
  return { nodes: kept, initializers: initializers.filter(({ name }) => needed.has(name)) }
}

export const recalibrate = (
  model: ModelProto,
  calibrator: Calibrator
): Either.Either<ModelProto, NotAnOpinionModel> =>
  Either.map(describe(model), ({ kind, metadata }) => {
    checkCalibrator(kind, calibrator)
    const input = (name: string) => ops.input(name, [batch, 1])
    const score = input("score")
    const sigma = input("sigma")
    const band = input("band")
    const head = within(kind, () =>
      toOnnx({
        name: kind,
        inputs: [score, sigma, band],
        outputs: calibratedOutputs(calibrator, { score, sigma, band }),
        metadata
      })
    ).graph
    const { graph } = model
    const nameOf = (name: string) =>
      name === "" || given.has(name) || calibrated.has(name) ? name : `${prefix}${name}`
    const own = neededFor(
      graph,
      graph.outputs.flatMap(({ name }) => (calibrated.has(name) ? [] : [name]))
    )
    // A model that was calibrated anew before has names with the prefix, and none of them is needed for the score.
    return {
      ...model,
      graph: {
        ...graph,
        initializers: [
          ...own.initializers,
          ...head.initializers.map((one) => ({ ...one, name: nameOf(one.name) }))
        ],
        nodes: [
          ...own.nodes,
          ...head.nodes.map((node) => ({
            ...node,
            name: nameOf(node.name),
            inputs: node.inputs.map(nameOf),
            outputs: node.outputs.map(nameOf)
          }))
        ]
      }
    }
  })
