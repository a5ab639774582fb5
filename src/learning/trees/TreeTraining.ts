/**
 * Gradient boosting of decision trees on histograms (Friedman, Greedy function approximation, 2001; Chen and Guestrin,
 * XGBoost: a scalable tree boosting system, 2016). Settings mean what XGBoost's of the same purpose mean.
 *
 * Each round adds one tree for each margin: grown on the derivatives of the loss at what the trees before it say,
 * its leaves scaled by the learning rate. Every tree may see a share of the rows (drawn for the round) and of the
 * features (drawn for the tree), by random streams keyed with the number of the round.
 *
 * With validation rows, their loss is taken after every round. Training ends when it has not become lower for
 * `patienceRounds` rounds, and the trees after the best round are dropped.
 *
 * What can go wrong: rows that cannot be learned from come back as RowRefused or FitImpossible; options out of their
 * range throw TreesMisused.
 * Invariants: equal rows, options and key give equal trees, however the steps are run; the training rows' margins are
 * `marginsOf` of the trees, to the bit.
 */
import { Either } from "effect"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { FitImpossible, RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { TreesMisused } from "./errors.ts"
import { binFeatures, binsMax, type FeatureBins } from "./FeatureBins.ts"
import { gridOf, type RowGradients } from "./GradientHistogram.ts"
import { depthMax, joinTrees, leafOf, type Rows, type TreeEnsemble, type TreeNodes } from "./TreeEnsemble.ts"
import { type GrownTree, type GrowthOptions, growTree, makeWorkspace } from "./TreeGrowth.ts"
import { type LossName, magnitudeMax, type TreeLoss, treeLoss, weightMax } from "./TreeLoss.ts"

export interface LabelledRows {
  /** Row-major [rows, features]; NaN is missing. */
  readonly values: Rows
  /** A probability or 0 or 1 for "logistic", a class for "softmax", a number for "squared-error". */
  readonly labels: ArrayLike<number>
  /** What each row counts for; 1 where left out. */
  readonly weights?: ArrayLike<number>
}

export interface TreeTrainingOptions extends GrowthOptions {
  readonly loss: LossName
  /** Of "softmax". */
  readonly classes: number
  readonly rounds: number
  /** Of the rows in each round and of the features in each tree, in (0, 1]. */
  readonly rowShare: number
  readonly columnShare: number
  /** Bins of a feature, that of missing values included. */
  readonly bins: number
  /** Margins before the first tree; null takes the constants that lower the loss most. */
  readonly baseMargins: ReadonlyArray<number> | null
  /** Counts where there are validation rows. */
  readonly patienceRounds: number
  /** Names the random streams. */
  readonly key: ReadonlyArray<string | number>
}

export const treeTrainingDefaults = {
  classes: 2,
  growth: "depth-wise",
  rounds: 100,
  learningRate: 0.1,
  maxDepth: 6,
  maxLeaves: 65_536,
  minChildWeight: 1,
  lambda: 1,
  alpha: 0,
  gamma: 0,
  rowShare: 1,
  columnShare: 1,
  bins: binsMax,
  baseMargins: null,
  patienceRounds: 20
} as const satisfies Partial<TreeTrainingOptions>

export interface TrainedTrees {
  readonly ensemble: TreeEnsemble
  /** Mean loss of the validation rows after each round that was run; empty without such rows. */
  readonly validationLosses: Float64Array
  /** Rounds whose trees were kept. */
  readonly rounds: number
}

/** Rows between two steps of what takes an exponential for each: a few milliseconds. */
const rowsPerStep = 50_000

export function* trainTrees(
  training: LabelledRows,
  featureNames: ReadonlyArray<string>,
  given: Partial<TreeTrainingOptions> & Pick<TreeTrainingOptions, "loss" | "key">,
  validation?: LabelledRows
): Steps<Either.Either<TrainedTrees, RowRefused | FitImpossible>> {
  const options: TreeTrainingOptions = { ...treeTrainingDefaults, ...given }
  const loss = treeLoss(options.loss, options.classes)
  checkOptions(options, loss, featureNames)
  const features = featureNames.length
  const fault = findFault(training, features, loss) ?? (validation && findFault(validation, features, loss))
  if (fault !== undefined) return Either.left(fault)
  const binned = yield* binFeatures(training.values, features, featureNames, options.bins)
  if (Either.isLeft(binned)) return Either.left(binned.left)
  const bins = binned.right

  const baseMargins = Float32Array.from(
    options.baseMargins ?? loss.constant(training.labels, training.weights)
  )
  const derivatives = makeDerivatives(training, loss, baseMargins)
  const judge = validation === undefined ? undefined : makeJudge(validation, features, loss, baseMargins)
  const workspace = makeWorkspace(bins)
  const trees: Array<TreeNodes> = []
  const losses: Array<number> = []
  let best = 0
  for (let round = 0; round < options.rounds; round++) {
    const rows = drawRows(bins.rows, options, round)
    yield* derivatives.update()
    const grown: Array<GrownTree> = []
    for (let output = 0; output < loss.outputs; output++) {
      const columns = drawFeatures(features, options, round, output)
      yield
      const gradients = onGrid(derivatives, output, rows)
      yield
      const tree = yield* growTree(bins, columns, gradients, options, workspace)
      grown.push(tree)
      derivatives.add(output, tree, gradients, bins)
      yield
    }
    trees.push(...grown)
    if (judge === undefined) {
      best = round + 1
      continue
    }
    losses.push(yield* judge(grown))
    if ((losses[round] as number) < (losses[best - 1] ?? Number.POSITIVE_INFINITY)) best = round + 1
    if (round + 1 - best >= options.patienceRounds) break
  }
  // Where no loss was ever a number, one round stands for all.
  const rounds = Math.max(1, best)
  const kept = trees.slice(0, rounds * loss.outputs)
  return Either.right({
    ensemble: {
      link: loss.link,
      features,
      featureNames,
      outputs: loss.outputs,
      baseMargins,
      treeOutputs: Int32Array.from(kept, (_, i) => i % loss.outputs),
      ...joinTrees(kept)
    },
    validationLosses: Float64Array.from(losses),
    rounds
  })
}

const weightOf = (rows: LabelledRows, row: number): number =>
  rows.weights === undefined ? 1 : (rows.weights[row] as number)

type Derivatives = ReturnType<typeof makeDerivatives>

/** The training rows' margins, and the derivatives of the loss there, [outputs][rows]. */
const makeDerivatives = (training: LabelledRows, loss: TreeLoss, baseMargins: Float32Array) => {
  const { outputs } = loss
  const rows = training.labels.length
  const margins = new Float64Array(rows * outputs)
  for (let row = 0; row < rows; row++) margins.set(baseMargins, row * outputs)
  const first = Array.from({ length: outputs }, () => new Float64Array(rows))
  const second = Array.from({ length: outputs }, () => new Float64Array(rows))
  const firstOne = new Float64Array(outputs)
  const secondOne = new Float64Array(outputs)
  const addTo = (row: number, output: number, value: number) => {
    const at = row * outputs + output
    margins[at] = (margins[at] as number) + value
  }
  return {
    first,
    second,
    update: function* (): Steps<void> {
      for (let row = 0; row < rows; row++) {
        if (row % rowsPerStep === rowsPerStep - 1) yield
        const weight = weightOf(training, row)
        loss.derive(margins, row * outputs, training.labels[row] as number, firstOne, secondOne)
        for (let k = 0; k < outputs; k++) {
          ;(first[k] as Float64Array)[row] = weight * (firstOne[k] as number)
          ;(second[k] as Float64Array)[row] = weight * (secondOne[k] as number)
        }
      }
    },
    /** Adds what a tree says: of the rows it was grown on that is known, the others walk down. */
    add: (output: number, tree: GrownTree, gradients: RowGradients, bins: FeatureBins): void => {
      const isGrownOn = new Uint8Array(rows)
      for (const { node, begin, end } of tree.leaves) {
        for (let i = begin; i < end; i++) {
          const row = gradients.row[i] as number
          isGrownOn[row] = 1
          addTo(row, output, tree.value[node] as number)
        }
      }
      if (gradients.row.length === rows) return
      for (let row = 0; row < rows; row++) {
        if (isGrownOn[row] === 0) addTo(row, output, tree.value[leafByBins(tree, bins, row)] as number)
      }
    }
  }
}

const leafByBins = (tree: GrownTree, bins: FeatureBins, row: number): number => {
  let node = 0
  while ((tree.left[node] as number) >= 0) {
    const feature = tree.feature[node] as number
    const code = bins.codes[feature * bins.rows + row] as number
    const goesLeft =
      code === bins.missingCode[feature] ? tree.defaultLeft[node] === 1 : code <= (tree.bin[node] as number)
    node = (goesLeft ? tree.left[node] : tree.right[node]) as number
  }
  return node
}

/** The derivatives of the rows drawn, rounded so that their sums are exact. */
const onGrid = (derivatives: Derivatives, output: number, rows: Int32Array): RowGradients => {
  const rounded = (all: Float64Array): Float64Array => {
    const drawn = new Float64Array(rows.length)
    let greatest = 0
    for (let i = 0; i < rows.length; i++) {
      const value = all[rows[i] as number] as number
      drawn[i] = value
      greatest = Math.max(greatest, Math.abs(value))
    }
    const grid = gridOf(greatest, rows.length)
    for (let i = 0; i < drawn.length; i++) drawn[i] = Math.round((drawn[i] as number) / grid) * grid
    return drawn
  }
  return {
    row: rows.slice(),
    first: rounded(derivatives.first[output] as Float64Array),
    second: rounded(derivatives.second[output] as Float64Array)
  }
}

/** Exactly that many of 0 .. count - 1, ascending, every choice as likely (Knuth, volume 2, algorithm S). */
const draw = (count: number, wanted: number, key: ReadonlyArray<string | number>): Int32Array => {
  const drawn = new Int32Array(Math.min(count, wanted))
  if (wanted >= count) {
    for (let i = 0; i < count; i++) drawn[i] = i
    return drawn
  }
  const random = keyedRandom(...key)
  for (let i = 0, taken = 0; taken < wanted; i++) {
    if (random.next() * (count - i) < wanted - taken) drawn[taken++] = i
  }
  return drawn
}

const drawRows = (rows: number, { rowShare, key }: TreeTrainingOptions, round: number) =>
  draw(rows, Math.max(1, Math.round(rowShare * rows)), [...key, "rows", round])

const drawFeatures = (
  features: number,
  { columnShare, key }: TreeTrainingOptions,
  round: number,
  output: number
) => draw(features, Math.max(1, Math.round(columnShare * features)), [...key, "features", round, output])

/** Follows the validation rows' margins; gives their mean loss after each round. */
const makeJudge = (
  validation: LabelledRows,
  features: number,
  loss: TreeLoss,
  baseMargins: Float32Array
): ((grown: ReadonlyArray<TreeNodes>) => Steps<number>) => {
  const values = Float32Array.from(validation.values)
  const { labels } = validation
  const margins = new Float64Array(labels.length * loss.outputs)
  for (let row = 0; row < labels.length; row++) margins.set(baseMargins, row * loss.outputs)
  return function* (grown) {
    let sum = 0
    let total = 0
    for (let row = 0; row < labels.length; row++) {
      if (row % rowsPerStep === rowsPerStep - 1) yield
      const at = row * loss.outputs
      for (const [output, tree] of grown.entries()) {
        const leaf = leafOf(tree, 0, values, row * features)
        margins[at + output] = (margins[at + output] as number) + (tree.value[leaf] as number)
      }
      const weight = weightOf(validation, row)
      sum += weight * loss.lossOf(margins, at, labels[row] as number)
      total += weight
    }
    return sum / total
  }
}

const findFault = (
  { values, labels, weights }: LabelledRows,
  features: number,
  loss: TreeLoss
): RowRefused | FitImpossible | undefined => {
  const rows = labels.length
  if (rows === 0) return new FitImpossible({ rows, reason: "at least one is needed" })
  if (values.length !== rows * features) {
    return new FitImpossible({ rows, reason: `they have ${values.length} values of ${features} features` })
  }
  if (weights !== undefined && weights.length !== rows) {
    return new FitImpossible({ rows, reason: `they have ${weights.length} weights` })
  }
  let total = 0
  for (let row = 0; row < rows; row++) {
    const reason = loss.labelFault(labels[row] as number)
    if (reason !== undefined) return new RowRefused({ row: row + 1, column: "label", reason })
    const weight = weights === undefined ? 1 : (weights[row] as number)
    if (!(weight >= 0 && weight <= weightMax)) {
      return new RowRefused({ row: row + 1, column: "weight", reason: `is ${weight}` })
    }
    total += weight
  }
  return total > 0 ? undefined : new FitImpossible({ rows, reason: "none of them counts" })
}

const checkOptions = (
  options: TreeTrainingOptions,
  loss: TreeLoss,
  featureNames: ReadonlyArray<string>
): void => {
  const within = (name: keyof TreeTrainingOptions, low: number, high: number) => {
    const value = options[name] as number
    if (!(value >= low && value <= high)) {
      throw new TreesMisused({ reason: `${name} is ${value}, not in [${low}, ${high}]` })
    }
  }
  const whole = (name: keyof TreeTrainingOptions, low: number, high: number) => {
    within(name, low, high)
    if (!Number.isInteger(options[name])) {
      throw new TreesMisused({ reason: `${name} is ${String(options[name])}, no integer` })
    }
  }
  if (featureNames.length === 0) throw new TreesMisused({ reason: "there are no features" })
  whole("classes", 2, 10_000)
  whole("rounds", 1, 100_000)
  within("learningRate", Number.MIN_VALUE, 1)
  whole("maxDepth", 1, depthMax)
  whole("maxLeaves", 2, 65_536)
  for (const name of ["minChildWeight", "lambda", "alpha", "gamma"] as const) within(name, 0, 1e30)
  within("rowShare", Number.MIN_VALUE, 1)
  within("columnShare", Number.MIN_VALUE, 1)
  whole("bins", 3, binsMax)
  whole("patienceRounds", 1, Number.MAX_SAFE_INTEGER)
  const base = options.baseMargins
  if (
    base !== null &&
    (base.length !== loss.outputs || !base.every((margin) => Math.abs(margin) <= magnitudeMax))
  ) {
    throw new TreesMisused({
      reason: `baseMargins are not ${loss.outputs} numbers of at most ${magnitudeMax}`
    })
  }
}
