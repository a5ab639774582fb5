/** Rows to learn from: windows of series, or anything else that can fill a batch. */

export interface Dataset {
  readonly rows: number
  /** Writes row `index` as place `at` of a batch; the others are the fields that an objective has beyond x and y. */
  readonly fill: (
    index: number,
    at: number,
    x: Float32Array,
    y: Float32Array,
    ...others: ReadonlyArray<Float32Array>
  ) => void
  /** Weight of a row in the loss. */
  readonly weight: (index: number) => number
}

/** Windows of a series [steps, features], each with its target [width]. */
export const windowDataset = (options: {
  readonly series: Float32Array
  readonly features: number
  readonly length: number
  /** Last step of each window. */
  readonly ends: Int32Array
  /** [windows, width] */
  readonly targets: Float32Array
  readonly weights?: Float32Array
}): Dataset => {
  const { ends, features, length, series, targets, weights } = options
  const width = targets.length / Math.max(1, ends.length)
  const size = length * features
  return {
    rows: ends.length,
    fill: (index, at, x, y) => {
      const end = ((ends[index] as number) + 1) * features
      x.set(series.subarray(end - size, end), at * size)
      y.set(targets.subarray(index * width, (index + 1) * width), at * width)
    },
    weight: (index) => weights?.[index] ?? 1
  }
}

/** Weights that make every class count the same, for targets [rows, classes] that are one-hot. */
export const balancedWeights = (targets: Float32Array, classes: number): Float32Array => {
  const rows = targets.length / classes
  const counts = new Float64Array(classes)
  const classOf = (row: number) => {
    const target = targets.subarray(row * classes, (row + 1) * classes)
    return target.indexOf(Math.max(...target))
  }
  for (let row = 0; row < rows; row++) counts[classOf(row)] = (counts[classOf(row)] as number) + 1
  const present = counts.filter((count) => count > 0).length
  return Float32Array.from({ length: rows }, (_, row) => rows / (present * (counts[classOf(row)] as number)))
}
