/**
 * Grows one tree on quantised features: from the root, always at the leaf that is next in turn, until no leaf gains
 * from a split or the tree is as large as it may be.
 *
 * Depth-wise, leaves are split in the order in which they came to be, level after level; leaf-wise, the one that gains
 * most is next (Ke et al., LightGBM, 2017). Of two children the histogram of the smaller is summed over its rows, that
 * of the larger is what remains of the parent's.
 *
 * What can go wrong: nothing, on options that have been checked.
 * Invariants: rows of a node keep their order; the result depends on the rows' derivatives and bins alone. Histograms
 * that wait take at most `histogramBytesMax`; beyond it they are summed again.
 */
import type { Steps } from "../steps.ts"
import type { FeatureBins } from "./FeatureBins.ts"
import {
  addRows,
  bestSplit,
  type GradientHistogram,
  leafValue,
  type RowGradients,
  type Split,
  type SplitOptions,
  subtract
} from "./GradientHistogram.ts"
import type { TreeNodes } from "./TreeEnsemble.ts"

export interface GrowthOptions extends SplitOptions {
  readonly growth: "depth-wise" | "leaf-wise"
  /** Levels of splits. */
  readonly maxDepth: number
  readonly maxLeaves: number
  readonly learningRate: number
}

export interface GrownTree extends TreeNodes {
  /** The last bin that goes left, by node. */
  readonly bin: Uint8Array
  /** The rows that came to each leaf: [begin, end) of the gradients, which have been reordered. */
  readonly leaves: ReadonlyArray<{ readonly node: number; readonly begin: number; readonly end: number }>
}

const histogramBytesMax = 512 * 1024 * 1024

/** A leaf as it grows. */
interface Leaf {
  readonly node: number
  readonly depth: number
  readonly begin: number
  readonly end: number
  readonly first: number
  readonly second: number
}

interface Candidate extends Leaf {
  readonly split: Split
  /** Undefined where there was no room to keep it. */
  readonly histogram: GradientHistogram | undefined
}

/** Memory that every tree on the same rows uses again. */
export interface Workspace {
  /** Histograms that nothing refers to any more. */
  readonly spare: Array<GradientHistogram>
  readonly scratch: RowGradients
}

export const makeWorkspace = ({ rows }: FeatureBins): Workspace => ({
  spare: [],
  scratch: { row: new Int32Array(rows), first: new Float64Array(rows), second: new Float64Array(rows) }
})

/** Reorders `gradients`. */
export function* growTree(
  bins: FeatureBins,
  features: ArrayLike<number>,
  gradients: RowGradients,
  options: GrowthOptions,
  { spare, scratch }: Workspace
): Steps<GrownTree> {
  const nodes = makeNodes()
  const leaves = new Map<number, Leaf>()
  const length = 2 * (bins.offsets[bins.features] as number)
  const keptMax = Math.max(1, Math.floor(histogramBytesMax / (8 * length)))
  let kept = 0
  const candidates: Array<Candidate> = []

  const histogramOf = function* (leaf: Leaf): Steps<GradientHistogram> {
    const histogram = spare.pop()?.fill(0) ?? new Float64Array(length)
    yield* addRows(histogram, bins, features, gradients, leaf.begin, leaf.end)
    return histogram
  }
  const isClosed = (leaf: Leaf) => leaf.depth >= options.maxDepth || leaf.second < 2 * options.minChildWeight
  const consider = (leaf: Leaf, histogram: GradientHistogram): void => {
    const split = isClosed(leaf)
      ? undefined
      : bestSplit(histogram, bins, features, leaf.first, leaf.second, options)
    const isKept = split !== undefined && kept < keptMax
    if (split !== undefined) candidates.push({ ...leaf, split, histogram: isKept ? histogram : undefined })
    if (isKept) kept++
    else spare.push(histogram)
  }
  const open = (leaf: Leaf): void => {
    leaves.set(leaf.node, leaf)
    nodes.cover[leaf.node] = leaf.second
    nodes.value[leaf.node] = options.learningRate * leafValue(leaf.first, leaf.second, options)
  }

  const root = { node: nodes.add(), depth: 0, begin: 0, end: gradients.row.length, ...sums(gradients) }
  open(root)
  if (!isClosed(root)) consider(root, yield* histogramOf(root))

  while (candidates.length > 0 && leaves.size < options.maxLeaves) {
    const next = nextOf(candidates, options.growth)
    const parent = candidates[next] as Candidate
    // The others stay in the order in which they came to be, which is also how ties are decided.
    candidates.splice(next, 1)
    if (parent.histogram !== undefined) kept--
    const { split } = parent
    const middle = partition(bins, gradients, parent, scratch)
    const depth = parent.depth + 1
    const left: Leaf = {
      ...{ node: nodes.add(), depth, begin: parent.begin, end: middle },
      ...{ first: split.leftFirst, second: split.leftSecond }
    }
    const right: Leaf = {
      ...{ node: nodes.add(), depth, begin: middle, end: parent.end },
      ...{ first: parent.first - split.leftFirst, second: parent.second - split.leftSecond }
    }
    nodes.split(parent.node, left.node, right.node, split, bins)
    leaves.delete(parent.node)
    open(left)
    open(right)
    if (isClosed(left) && isClosed(right)) {
      if (parent.histogram !== undefined) spare.push(parent.histogram)
    } else {
      const isLeftSmaller = left.end - left.begin <= right.end - right.begin
      const [smaller, larger] = isLeftSmaller ? [left, right] : [right, left]
      const small = yield* histogramOf(smaller)
      let large: GradientHistogram
      if (parent.histogram === undefined) large = yield* histogramOf(larger)
      else {
        large = parent.histogram
        subtract(large, small)
      }
      const [ofLeft, ofRight] = isLeftSmaller ? [small, large] : [large, small]
      consider(left, ofLeft)
      consider(right, ofRight)
    }
    yield
  }
  for (const { histogram } of candidates) if (histogram !== undefined) spare.push(histogram)
  return { ...nodes.finish(), leaves: [...leaves.values()] }
}

const sums = ({ first, second }: RowGradients) => {
  const sum = { first: 0, second: 0 }
  for (let i = 0; i < first.length; i++) {
    sum.first += first[i] as number
    sum.second += second[i] as number
  }
  return sum
}

const nextOf = (candidates: ReadonlyArray<Candidate>, growth: GrowthOptions["growth"]): number => {
  if (growth === "depth-wise") return 0
  let best = 0
  for (let i = 1; i < candidates.length; i++) {
    if ((candidates[i] as Candidate).split.gain > (candidates[best] as Candidate).split.gain) best = i
  }
  return best
}

/** Rows that go left to the front, in their order; gives where those that go right begin. */
const partition = (
  bins: FeatureBins,
  { row, first, second }: RowGradients,
  { begin, end, split }: Candidate,
  scratch: RowGradients
): number => {
  const column = split.feature * bins.rows
  const missingCode = bins.missingCode[split.feature] as number
  let left = begin
  let right = 0
  for (let i = begin; i < end; i++) {
    const code = bins.codes[column + (row[i] as number)] as number
    if (code === missingCode ? split.missingGoesLeft : code <= split.bin) {
      row[left] = row[i] as number
      first[left] = first[i] as number
      second[left++] = second[i] as number
    } else {
      scratch.row[right] = row[i] as number
      scratch.first[right] = first[i] as number
      scratch.second[right++] = second[i] as number
    }
  }
  row.set(scratch.row.subarray(0, right), left)
  first.set(scratch.first.subarray(0, right), left)
  second.set(scratch.second.subarray(0, right), left)
  return left
}

/** Nodes in the order in which they are added; the root is 0. */
const makeNodes = () => {
  const left: Array<number> = []
  const right: Array<number> = []
  const feature: Array<number> = []
  const threshold: Array<number> = []
  const defaultLeft: Array<number> = []
  const bin: Array<number> = []
  const value: Array<number> = []
  const cover: Array<number> = []
  const gain: Array<number> = []
  return {
    value,
    cover,
    add: (): number => {
      left.push(-1)
      right.push(-1)
      for (const zero of [feature, threshold, defaultLeft, bin, value, cover, gain]) zero.push(0)
      return left.length - 1
    },
    split: (node: number, toLeft: number, toRight: number, split: Split, bins: FeatureBins): void => {
      left[node] = toLeft
      right[node] = toRight
      feature[node] = split.feature
      threshold[node] = bins.cuts[split.feature]?.[split.bin] as number
      defaultLeft[node] = split.missingGoesLeft ? 1 : 0
      bin[node] = split.bin
      value[node] = 0
      gain[node] = split.gain
    },
    finish: () => ({
      left: Int32Array.from(left),
      right: Int32Array.from(right),
      feature: Int32Array.from(feature),
      threshold: Float32Array.from(threshold),
      defaultLeft: Uint8Array.from(defaultLeft),
      bin: Uint8Array.from(bin),
      value: Float32Array.from(value),
      cover: Float32Array.from(cover),
      gain: Float32Array.from(gain)
    })
  }
}
