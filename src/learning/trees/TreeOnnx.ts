/**
 * Trees as an ONNX model: one TreeEnsembleRegressor of ai.onnx.ml 3 for the margins, ordinary operators behind it.
 *
 *   in   features        float32 [N, F]   NaN is missing
 *   out  margins         float32 [N, K]   K = 1, or one for each class
 *        probabilities   float32 [N, C]   with classes: C = 2 or K, in their order
 *        prediction      float32 [N, 1]   without classes: the margins
 *
 * The probability of class 1 is 1 / (1 + exp(-margin)) in so many operators, and not Sigmoid, which onnxruntime
 * clamps at a margin of 18; that of class 0 is computed in its own right, and not by subtraction from 1, so that both
 * keep their relative precision.
 *
 * Covers travel as `nodes_hitrates`, which no runtime reads.
 *
 * What can go wrong: metadata keys that are taken throw ArtefactInvalid.
 * Invariants: equal trees give equal models; each row comes to the leaves that `leafIndices` says.
 */
import { ArtefactInvalid } from "../errors.ts"
import {
  type AttributeProto,
  irVersion,
  type ModelProto,
  type NodeProto,
  opsetVersion,
  producerName
} from "../onnx/OnnxFile.ts"
import { tensor } from "../onnx/OnnxTensor.ts"
import { classesOf, type TreeEnsemble, treesOf } from "./TreeEnsemble.ts"

const treeDomain = "ai.onnx.ml"
const treeDomainVersion = 3

const keyPrefix = "conclave."
/** What the file says about itself. */
export const treeMetadataKeys = {
  kind: `${keyPrefix}kind`,
  link: `${keyPrefix}link`,
  featureNames: `${keyPrefix}feature_names`
} as const
export const treeKind = "trees"

export const treesToOnnx = (
  ensemble: TreeEnsemble,
  metadata: Readonly<Record<string, string>> = {}
): ModelProto => {
  const classes = classesOf(ensemble)
  const name = classes === 0 ? "prediction" : "probabilities"
  const operators =
    ensemble.link === "identity"
      ? [operator("Identity", ["margins"], name)]
      : ensemble.link === "softmax"
        ? [operator("Softmax", ["margins"], name, [int("axis", 1)])]
        : logistic(name)
  const output = (of: string, columns: number) => ({
    name: of,
    elementType: "float" as const,
    dims: ["N", columns]
  })
  return {
    irVersion,
    opsets: [
      { domain: "", version: opsetVersion },
      { domain: treeDomain, version: treeDomainVersion }
    ],
    producer: { name: producerName, version: "" },
    graph: {
      name: treeKind,
      nodes: [regressor(ensemble), ...operators],
      initializers: ensemble.link === "logistic" ? [tensor("one", "float", [], [1])] : [],
      inputs: [output("features", ensemble.features)],
      outputs: [output("margins", ensemble.outputs), output(name, classes === 0 ? 1 : classes)]
    },
    metadata: metadataOf(ensemble, metadata)
  }
}

const metadataOf = (ensemble: TreeEnsemble, given: Readonly<Record<string, string>>) => {
  const taken = Object.keys(given).find((key) => key.startsWith(keyPrefix))
  if (taken !== undefined) {
    throw new ArtefactInvalid({ kind: treeKind, part: `the metadata key "${taken}"`, reason: "is taken" })
  }
  return new Map([
    ...Object.entries(given),
    [treeMetadataKeys.kind, treeKind],
    [treeMetadataKeys.link, ensemble.link],
    [treeMetadataKeys.featureNames, JSON.stringify(ensemble.featureNames)]
  ])
}

const int = (name: string, value: number): AttributeProto => ({ name, type: "int", value })
const ints = (name: string, value: ReadonlyArray<number>): AttributeProto => ({ name, type: "ints", value })
const floats = (name: string, value: ReadonlyArray<number>): AttributeProto => ({
  name,
  type: "floats",
  value
})

const operator = (
  op: string,
  inputs: ReadonlyArray<string>,
  output: string,
  attributes: ReadonlyArray<AttributeProto> = []
): NodeProto => ({ name: output, op, domain: "", inputs, outputs: [output], attributes })

/** exp may overflow to infinity, of which the reciprocal is 0: neither end gives a NaN. */
const logistic = (name: string): ReadonlyArray<NodeProto> => [
  operator("Neg", ["margins"], "margins_negative"),
  operator("Exp", ["margins"], "odds"),
  operator("Exp", ["margins_negative"], "odds_against"),
  operator("Add", ["one", "odds"], "one_and_odds"),
  operator("Add", ["one", "odds_against"], "one_and_odds_against"),
  operator("Div", ["one", "one_and_odds"], "probability_0"),
  operator("Div", ["one", "one_and_odds_against"], "probability_1"),
  operator("Concat", ["probability_0", "probability_1"], name, [int("axis", 1)])
]

const regressor = (ensemble: TreeEnsemble): NodeProto => {
  const { left, right, roots, treeOutputs } = ensemble
  const nodes = {
    tree: [] as Array<number>,
    id: [] as Array<number>,
    feature: [] as Array<number>,
    threshold: [] as Array<number>,
    mode: [] as Array<string>,
    left: [] as Array<number>,
    right: [] as Array<number>,
    cover: [] as Array<number>,
    defaultLeft: [] as Array<number>
  }
  const leaves = {
    tree: [] as Array<number>,
    node: [] as Array<number>,
    output: [] as Array<number>,
    value: [] as Array<number>
  }
  for (let tree = 0; tree < treesOf(ensemble); tree++) {
    const root = roots[tree] as number
    // Parents before their children, and the root first: that is how a runtime finds it.
    const open = [root]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const isLeaf = (left[node] as number) < 0
      nodes.tree.push(tree)
      nodes.id.push(node - root)
      nodes.mode.push(isLeaf ? "LEAF" : "BRANCH_LT")
      nodes.feature.push(ensemble.feature[node] as number)
      nodes.threshold.push(ensemble.threshold[node] as number)
      nodes.left.push(isLeaf ? 0 : (left[node] as number) - root)
      nodes.right.push(isLeaf ? 0 : (right[node] as number) - root)
      nodes.cover.push(ensemble.cover[node] as number)
      nodes.defaultLeft.push(ensemble.defaultLeft[node] as number)
      if (isLeaf) {
        leaves.tree.push(tree)
        leaves.node.push(node - root)
        leaves.output.push(treeOutputs[tree] as number)
        leaves.value.push(ensemble.value[node] as number)
      } else open.push(right[node] as number, left[node] as number)
    }
  }
  return {
    name: "margins",
    op: "TreeEnsembleRegressor",
    domain: treeDomain,
    inputs: ["features"],
    outputs: ["margins"],
    attributes: [
      { name: "aggregate_function", type: "string", value: "SUM" },
      floats("base_values", [...ensemble.baseMargins]),
      int("n_targets", ensemble.outputs),
      ints("nodes_falsenodeids", nodes.right),
      ints("nodes_featureids", nodes.feature),
      floats("nodes_hitrates", nodes.cover),
      ints("nodes_missing_value_tracks_true", nodes.defaultLeft),
      { name: "nodes_modes", type: "strings", value: nodes.mode },
      ints("nodes_nodeids", nodes.id),
      ints("nodes_treeids", nodes.tree),
      ints("nodes_truenodeids", nodes.left),
      floats("nodes_values", nodes.threshold),
      { name: "post_transform", type: "string", value: "NONE" },
      ints("target_ids", leaves.output),
      ints("target_nodeids", leaves.node),
      ints("target_treeids", leaves.tree),
      floats("target_weights", leaves.value)
    ]
  }
}
