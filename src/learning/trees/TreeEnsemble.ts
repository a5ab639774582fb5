/**
 * Sums of decision trees, in one form whoever grew them, and what they say about rows.
 *
 * A row starts at the root of every tree and goes to the left child where its feature is below the threshold, to the
 * default child where the feature is missing (NaN), else to the right; the leaf's value is added to the margin that
 * the tree belongs to. Features are rounded to float32 before they are compared, as XGBoost and onnxruntime do.
 *
 * What can go wrong: rows that are not a whole number of the ensemble's features, or probabilities asked of an
 * ensemble without classes, throw TreesMisused.
 * Invariants: every ensemble has a tree and a feature; from the root of a tree its nodes form a binary tree of at
 * most `depthMax` levels of splits; thresholds and leaf values are finite; nodes that no root reaches are leaves.
 */
import { TreesMisused } from "./errors.ts"

/** How margins become what is predicted: themselves, the probability of class 1, or those of all classes. */
export type Link = "identity" | "logistic" | "softmax"

/** Nodes of one tree or of many, one array for each of their properties. */
export interface TreeNodes {
  /** The left child, -1 at a leaf. */
  readonly left: Int32Array
  readonly right: Int32Array
  /** The feature of a split, 0 at a leaf. */
  readonly feature: Int32Array
  /** Rows whose feature is below it go left; 0 at a leaf. */
  readonly threshold: Float32Array
  /** 1 where missing features go left. */
  readonly defaultLeft: Uint8Array
  /** What a leaf adds, 0 at a split. */
  readonly value: Float32Array
  /** Sum of the second derivatives of the loss over the rows that the node was made from. */
  readonly cover: Float32Array
  /** Twice what a split was to take from the penalised loss, by its second-order approximation; 0 at a leaf. */
  readonly gain: Float32Array
}

/** Its nodes are those of all trees, one tree behind the other; children are numbers among all of them. */
export interface TreeEnsemble extends TreeNodes {
  readonly link: Link
  readonly features: number
  /** One name for each feature, or none at all. */
  readonly featureNames: ReadonlyArray<string>
  /** Margins of a row: one, or with "softmax" one for each class. */
  readonly outputs: number
  /** What margins are without trees. */
  readonly baseMargins: Float32Array
  /** The root of each tree, and at the end the number of nodes. */
  readonly roots: Int32Array
  /** Which margin each tree adds to. */
  readonly treeOutputs: Int32Array
}

/** Row-major [rows, features]; NaN is missing. */
export type Rows = ArrayLike<number>

/** Levels of splits. Deeper trees are not taken: what walks them may recurse. */
export const depthMax = 512

export const treesOf = (ensemble: TreeEnsemble): number => ensemble.roots.length - 1

/** Two for a logistic link, none for an identity. */
export const classesOf = (ensemble: TreeEnsemble): number =>
  ensemble.link === "identity" ? 0 : ensemble.link === "logistic" ? 2 : ensemble.outputs

export const countRows = (ensemble: TreeEnsemble, rows: Rows): number => {
  const count = rows.length / ensemble.features
  if (!Number.isInteger(count)) {
    throw new TreesMisused({ reason: `${rows.length} values are no rows of ${ensemble.features} features` })
  }
  return count
}

/** A row as the trees see it. */
export const copyRow = (rows: Rows, row: number, into: Float32Array): void => {
  for (let i = 0; i < into.length; i++) into[i] = rows[row * into.length + i] as number
}

export const isGoingLeft = (nodes: TreeNodes, node: number, value: number): boolean =>
  Number.isNaN(value) ? nodes.defaultLeft[node] === 1 : value < (nodes.threshold[node] as number)

/** The leaf that a row, rounded to float32 and found at `from`, comes to from a root. */
export const leafOf = (nodes: TreeNodes, root: number, row: Float32Array, from = 0): number => {
  const { left, right, feature } = nodes
  let node = root
  while ((left[node] as number) >= 0) {
    const value = row[from + (feature[node] as number)] as number
    node = (isGoingLeft(nodes, node, value) ? left[node] : right[node]) as number
  }
  return node
}

/** One behind the other, each with its nodes counted from 0, into the nodes of an ensemble. */
export const joinTrees = (trees: ReadonlyArray<TreeNodes>): TreeNodes & { readonly roots: Int32Array } => {
  const roots = new Int32Array(trees.length + 1)
  for (const [i, tree] of trees.entries()) roots[i + 1] = (roots[i] as number) + tree.left.length
  const count = roots[trees.length] as number
  const all = {
    roots,
    left: new Int32Array(count),
    right: new Int32Array(count),
    feature: new Int32Array(count),
    threshold: new Float32Array(count),
    defaultLeft: new Uint8Array(count),
    value: new Float32Array(count),
    cover: new Float32Array(count),
    gain: new Float32Array(count)
  }
  for (const [i, tree] of trees.entries()) {
    const root = roots[i] as number
    const amongAll = (child: number) => (child < 0 ? -1 : child + root)
    all.left.set(tree.left.map(amongAll), root)
    all.right.set(tree.right.map(amongAll), root)
    for (const part of ["feature", "threshold", "defaultLeft", "value", "cover", "gain"] as const) {
      all[part].set(tree[part], root)
    }
  }
  return all
}

/** The number of the leaf within its tree, [rows, trees]. */
export const leafIndices = (ensemble: TreeEnsemble, rows: Rows): Int32Array => {
  const count = countRows(ensemble, rows)
  const trees = treesOf(ensemble)
  const indices = new Int32Array(count * trees)
  const row = new Float32Array(ensemble.features)
  for (let i = 0; i < count; i++) {
    copyRow(rows, i, row)
    for (let tree = 0; tree < trees; tree++) {
      const root = ensemble.roots[tree] as number
      indices[i * trees + tree] = leafOf(ensemble, root, row) - root
    }
  }
  return indices
}

/** Sums of leaf values, tree after tree in float64, [rows, outputs]. */
export const marginsOf = (ensemble: TreeEnsemble, rows: Rows): Float64Array => {
  const count = countRows(ensemble, rows)
  const { outputs, roots, treeOutputs, value } = ensemble
  const margins = new Float64Array(count * outputs)
  const row = new Float32Array(ensemble.features)
  for (let i = 0; i < count; i++) {
    copyRow(rows, i, row)
    margins.set(ensemble.baseMargins, i * outputs)
    for (let tree = 0; tree < treeOutputs.length; tree++) {
      const at = i * outputs + (treeOutputs[tree] as number)
      const leaf = leafOf(ensemble, roots[tree] as number, row)
      margins[at] = (margins[at] as number) + (value[leaf] as number)
    }
  }
  return margins
}

export const sigmoid = (margin: number): number => 1 / (1 + Math.exp(-margin))

/** Writes the probabilities of `count` margins from `from` on; neither overflows nor divides by zero. */
export const softmax = (
  margins: ArrayLike<number>,
  from: number,
  count: number,
  into: Float64Array
): void => {
  let greatest = Number.NEGATIVE_INFINITY
  for (let k = 0; k < count; k++) greatest = Math.max(greatest, margins[from + k] as number)
  let sum = 0
  for (let k = 0; k < count; k++) {
    const weight = Math.exp((margins[from + k] as number) - greatest)
    into[k] = weight
    sum += weight
  }
  for (let k = 0; k < count; k++) into[k] = (into[k] as number) / sum
}

/** Probabilities of the classes, [rows, classes], from margins [rows, outputs]. */
export const probabilitiesOf = (ensemble: TreeEnsemble, margins: Float64Array): Float64Array => {
  const { outputs } = ensemble
  const classes = classesOf(ensemble)
  if (classes === 0) throw new TreesMisused({ reason: "a regression has no probabilities" })
  const rows = margins.length / outputs
  const probabilities = new Float64Array(rows * classes)
  const one = new Float64Array(classes)
  for (let i = 0; i < rows; i++) {
    if (ensemble.link === "softmax") softmax(margins, i * outputs, outputs, one)
    else {
      one[0] = sigmoid(-(margins[i] as number))
      one[1] = sigmoid(margins[i] as number)
    }
    probabilities.set(one, i * classes)
  }
  return probabilities
}
