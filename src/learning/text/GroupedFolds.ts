/**
 * Folds for cross-validation: every group of rows is in one fold whole, and the classes are spread as evenly as that allows.
 *
 * What can go wrong: fewer groups of a class than folds (TextRefused): a fold would be without the class.
 * Invariants: equal keys give equal folds; every row is in one fold.
 */
import { Either } from "effect"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { TextRefused } from "./errors.ts"

export interface FoldOptions {
  readonly folds: number
  /** Of the random order. */
  readonly key: ReadonlyArray<string | number>
}

/**
 * @param groups one a row
 * @param labels one a row; a group bears that of its first row
 * @returns the fold of every row
 */
export const groupedFolds = (
  groups: ReadonlyArray<string>,
  labels: ArrayLike<number>,
  { folds, key }: FoldOptions
): Either.Either<Int32Array, TextRefused> => {
  const members = new Map<string, Array<number>>()
  groups.forEach((group, row) => {
    const others = members.get(group)
    if (others === undefined) members.set(group, [row])
    else others.push(row)
  })
  const byLabel = new Map<number, Array<ReadonlyArray<number>>>()
  for (const rows of members.values()) {
    const label = labels[rows[0] as number] as number
    const others = byLabel.get(label)
    if (others === undefined) byLabel.set(label, [rows])
    else others.push(rows)
  }
  const random = keyedRandom(...key)
  const foldOf = new Int32Array(groups.length)
  let dealt = 0
  for (const [label, ofLabel] of [...byLabel].sort(([a], [b]) => a - b)) {
    if (ofLabel.length < folds) {
      const reason = `class ${label} has ${ofLabel.length} different sentences, ${folds} folds need one each`
      return Either.left(new TextRefused({ reason }))
    }
    for (let i = ofLabel.length - 1; i > 0; i--) {
      const j = random.int(i + 1)
      const other = ofLabel[j] as ReadonlyArray<number>
      ofLabel[j] = ofLabel[i] as ReadonlyArray<number>
      ofLabel[i] = other
    }
    for (const rows of ofLabel) {
      for (const row of rows) foldOf[row] = dealt % folds
      dealt++
    }
  }
  return Either.right(foldOf)
}

/** The rows, of those given, that are in a fold, and those that are not. */
export const partedBy = (
  rows: ArrayLike<number>,
  foldOf: Int32Array,
  fold: number
): { readonly train: Int32Array; readonly test: Int32Array } => {
  const all = Int32Array.from(rows)
  return {
    train: all.filter((_, i) => foldOf[i] !== fold),
    test: all.filter((_, i) => foldOf[i] === fold)
  }
}
