/**
 * One tree of an XGBoost model document, checked.
 *
 * XGBoost keeps a tree as one array for each property of its nodes. At a leaf the left child is -1 and the split
 * condition is the leaf's value. Nodes that pruning has deleted stay in the arrays; no node leads to them.
 *
 * What can go wrong: arrays of other lengths than the tree says, children out of range or of two parents, thresholds
 * that are no numbers, categorical splits, leaves that are vectors. Each throws an Error that names the place.
 * Invariants: what comes out is a binary tree below node 0 with at most `depthMax` levels of splits; the nodes
 * outside it are as many as the file says were deleted.
 */
import { depthMax, type TreeNodes } from "./TreeEnsemble.ts"
import {
  countField,
  countOf,
  field,
  float32Of,
  integersOf,
  type Located,
  numbersOf,
  optionalField,
  refuse
} from "./XgboostDocument.ts"

export const readTree = (tree: Located, features: number): TreeNodes => {
  const parameters = field(tree, "tree_param")
  const nodes = countOf(field(parameters, "num_nodes"))
  if (nodes < 1) refuse(`${tree.path} has no nodes`)
  if (countField(parameters, "size_leaf_vector") > 1) refuse("it has leaves that are vectors")
  refuseCategories(tree, nodes)

  const left = Int32Array.from(integersOf(field(tree, "left_children"), nodes, -1, nodes))
  const right = Int32Array.from(integersOf(field(tree, "right_children"), nodes, -1, nodes))
  checkShape(left, right, countField(parameters, "num_deleted"), tree.path)

  const indices = numbersOf(field(tree, "split_indices"), nodes)
  const toLeft = integersOf(field(tree, "default_left"), nodes, 0, 2)
  const conditions = float32Of(field(tree, "split_conditions"), nodes)
  const covers = float32Of(field(tree, "sum_hessian"), nodes)
  const gains = float32Of(field(tree, "loss_changes"), nodes)

  const feature = new Int32Array(nodes)
  const defaultLeft = new Uint8Array(nodes)
  const threshold = new Float32Array(nodes)
  const value = new Float32Array(nodes)
  const gain = new Float32Array(nodes)
  for (let node = 0; node < nodes; node++) {
    if ((covers[node] as number) < 0) refuse(`${tree.path}.sum_hessian[${node}] is ${covers[node]}`)
    const condition = conditions[node] as number
    if ((left[node] as number) < 0) {
      value[node] = condition
      continue
    }
    const index = indices[node] as number
    if (!Number.isInteger(index) || index < 0 || index >= features) {
      refuse(`${tree.path}.split_indices[${node}] is ${index}, and there are ${features} features`)
    }
    feature[node] = index
    defaultLeft[node] = toLeft[node] as number
    threshold[node] = condition
    gain[node] = gains[node] as number
  }
  return { left, right, feature, defaultLeft, threshold, value, cover: covers, gain }
}

/** Files of before XGBoost 1.3 know no categories. */
const refuseCategories = (tree: Located, nodes: number): void => {
  const types = optionalField(tree, "split_type")
  if (types !== undefined && Array.from(numbersOf(types, nodes)).some((type) => type !== 0)) {
    refuse("it has categorical splits")
  }
}

/** Walks down from the root: every node has at most one parent, so that no walk comes back to where it was. */
const checkShape = (left: Int32Array, right: Int32Array, deleted: number, path: string): void => {
  const isReached = new Uint8Array(left.length)
  isReached[0] = 1
  let level = [0]
  let reached = 1
  for (let depth = 0; level.length > 0; depth++) {
    const next: Array<number> = []
    for (const node of level) {
      const children = [left[node] as number, right[node] as number]
      if (children[0] === -1 && children[1] === -1) continue
      for (const child of children) {
        if (child === -1) refuse(`${path} has a node ${node} with one child`)
        if (isReached[child] === 1) refuse(`${path} is no tree: two ways lead to its node ${child}`)
        isReached[child] = 1
        reached++
        next.push(child)
      }
    }
    if (next.length > 0 && depth >= depthMax) refuse(`${path} is deeper than ${depthMax} splits`)
    level = next
  }
  if (left.length - reached !== deleted) {
    refuse(`${path} has ${left.length - reached} nodes that nothing leads to, and ${deleted} were deleted`)
  }
  for (let node = 0; node < left.length; node++) {
    if (isReached[node] === 1) continue
    left[node] = -1
    right[node] = -1
  }
}
