/** Rows of few numbers among many columns: row i has its numbers at starts[i] to starts[i + 1], columns rising. */

export interface SparseRows {
  readonly columns: number
  /** [rows + 1] */
  readonly starts: Int32Array
  readonly indices: Int32Array
  readonly values: Float64Array
}

export const rowsOf = ({ starts }: SparseRows): number => starts.length - 1
