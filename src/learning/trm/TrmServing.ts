/**
 * A trained Tiny Recursive Model over features as one ONNX model: raw features in, a class out.
 *
 *   in   features          float32 [N, F]  raw, in the order of the feature names
 *   out  logits            float32 [N, C]  in the order of the class names
 *        probabilities     float32 [N, C]  their stable-max, which is what was trained
 *        halt_probability  float32 [N, 1]  that the answer is right, as the network has it
 *        steps             float32 [N, 1]  supervision steps until the row halted
 *
 * The loop over supervision steps is inside. A row whose q is above 0 keeps its answer; the loop runs on for the others.
 * Raw features that are not finite come out as anything: whoever runs the model refuses them.
 */
import { ArtefactInvalid } from "../errors.ts"
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Manifest, servingBuilder } from "../graph/Parameters.ts"
import { batch } from "../graph/TensorType.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import type { Normalisation } from "../networks/models.ts"
import { superviseUntilHalt } from "./supervise.ts"
import { stableMax } from "./TrmLoss.ts"
import { trmNet } from "./TrmNet.ts"
import type { TrmSizes, TrmTask } from "./TrmSpec.ts"

export const trmKind = "trm"

export const trmOutputNames = { haltProbability: "halt_probability", steps: "steps" } as const

export const trmMetadataKeys = {
  kind: "conclave.kind",
  featureNames: "conclave.feature_names",
  classNames: "conclave.class_names",
  sizes: "conclave.sizes",
  supervisionSteps: "conclave.supervision_steps"
} as const

export interface TrmArtefact {
  readonly sizes: TrmSizes
  readonly manifest: Manifest
  readonly parameters: Float32Array
  /** What the parameters were trained on is (raw - mean) / deviation. */
  readonly normalisation: Normalisation
  readonly featureNames: ReadonlyArray<string>
  /** What it chooses among: the strategies, say. */
  readonly classNames: ReadonlyArray<string>
  /** At most; 1 gives the model of a single step. */
  readonly supervisionSteps: number
}

const check = ({ classNames, featureNames, manifest, normalisation, parameters }: TrmArtefact): void => {
  const unless = (is: boolean, part: string, reason: string) => {
    if (!is) throw new ArtefactInvalid({ kind: trmKind, part, reason })
  }
  const { deviations, means } = normalisation
  const count = featureNames.length
  unless(parameters.length === manifest.size, "the vector of parameters", `is not of ${manifest.size}`)
  unless(parameters.every(Number.isFinite), "the vector of parameters", "holds what is no number")
  unless(means.length === count && deviations.length === count, "the normalisation", `is not of ${count}`)
  unless(Array.from(means).every(Number.isFinite), "the list of means", "holds what is no number")
  unless(
    Array.from(deviations).every((one) => Number.isFinite(one) && Math.fround(one) > 0),
    "the list of deviations",
    "holds one that is not positive"
  )
  const isUnique = (names: ReadonlyArray<string>) => new Set(names).size === names.length
  unless(isUnique(featureNames) && isUnique(classNames), "a list of names", "has one twice")
}

export interface TrmAnswers {
  /** [N, classes] */
  readonly logits: Value
  /** [N, classes] */
  readonly probabilities: Value
  /** [N, 1] */
  readonly haltProbability: Value
  /** [N, 1] */
  readonly steps: Value
}

/** What a trained model says of normalised features [N, features]. */
export const trmAnswers = (
  {
    manifest,
    parameters,
    sizes,
    supervisionSteps
  }: Omit<TrmArtefact, "normalisation" | "featureNames" | "classNames">,
  task: Extract<TrmTask, { readonly kind: "features" }>,
  features: Value
): TrmAnswers => {
  const net = trmNet(servingBuilder(manifest, parameters), { sizes, task })
  const { used, y } = superviseUntilHalt(net, net.embed(features), supervisionSteps)
  const logits = ops.reshape(net.logits(y), [batch, task.classes])
  const column = (value: Value) => ops.reshape(value, [...shapeOf(value), 1])
  return {
    logits,
    probabilities: stableMax(logits),
    haltProbability: column(ops.sigmoid(net.halting(y))),
    steps: column(used)
  }
}

/** The graph of the model. */
export const trmServingSpec = (artefact: TrmArtefact): OnnxSpec => {
  check(artefact)
  const { classNames, featureNames, manifest, normalisation, parameters, sizes, supervisionSteps } = artefact
  const count = featureNames.length
  const features = ops.input("features", [batch, count])
  const constantOf = (values: ArrayLike<number>) => ops.constant([count], values)
  const normal = ops.div(
    ops.sub(features, constantOf(normalisation.means)),
    constantOf(normalisation.deviations)
  )
  const answers = trmAnswers(
    { manifest, parameters, sizes, supervisionSteps },
    { kind: "features", features: count, classes: classNames.length },
    normal
  )
  return {
    name: trmKind,
    inputs: [features],
    outputs: [
      ["logits", answers.logits],
      ["probabilities", answers.probabilities],
      [trmOutputNames.haltProbability, answers.haltProbability],
      [trmOutputNames.steps, answers.steps]
    ],
    metadata: new Map([
      [trmMetadataKeys.kind, trmKind],
      [trmMetadataKeys.featureNames, JSON.stringify(featureNames)],
      [trmMetadataKeys.classNames, JSON.stringify(classNames)],
      [trmMetadataKeys.sizes, JSON.stringify(sizes)],
      [trmMetadataKeys.supervisionSteps, String(supervisionSteps)]
    ])
  }
}
