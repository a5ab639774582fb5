/**
 * A hidden Markov model whose states give observations of independent normal coordinates, and its forward and backward
 * passes (Rabiner, 1989; Bishop, Pattern Recognition and Machine Learning, 2006, 13.2). Everything is kept as logarithms,
 * normalised at each step: an observation that no state expects, or a transition of probability 0, leaves neither 0 / 0
 * nor infinity.
 *
 * What can go wrong: observations that are not finite, or do not fill whole rows, throw.
 * Invariants: the filtered probabilities of a row follow from it and the rows before it alone, and sum to one.
 */

export interface GaussianHmm {
  readonly states: number
  /** Coordinates of an observation. */
  readonly width: number
  /** Natural logarithms, by state. */
  readonly logInitial: Float64Array
  /** From state i to state j at i * states + j; each row sums to one, as probabilities. */
  readonly logTransitions: Float64Array
  /** By state and coordinate; variances are positive. */
  readonly means: Float64Array
  readonly variances: Float64Array
}

const logTwoPi = Math.log(2 * Math.PI)

/** log sum exp of `count` values from an offset on; minus infinity where all are. */
export const logSumExp = (values: Float64Array, from: number, count: number): number => {
  let most = Number.NEGATIVE_INFINITY
  for (let i = from; i < from + count; i++) most = Math.max(most, values[i] as number)
  if (most === Number.NEGATIVE_INFINITY) return most
  let sum = 0
  for (let i = from; i < from + count; i++) sum += Math.exp((values[i] as number) - most)
  return most + Math.log(sum)
}

/** Rows of observations. */
export const rowsOf = ({ width }: GaussianHmm, observations: Float64Array): number => {
  const rows = observations.length / width
  if (!Number.isInteger(rows) || !observations.every(Number.isFinite)) {
    throw new RangeError(`observations are rows of ${width} finite numbers`)
  }
  return rows
}

/** The log density of every row in every state, row by row. */
export const logDensities = (model: GaussianHmm, observations: Float64Array): Float64Array => {
  const { means, states, variances, width } = model
  const rows = rowsOf(model, observations)
  const constants = Float64Array.from({ length: states }, (_, state) => {
    let sum = 0
    for (let d = 0; d < width; d++) sum -= (logTwoPi + Math.log(variances[state * width + d] as number)) / 2
    return sum
  })
  const densities = new Float64Array(rows * states)
  for (let row = 0; row < rows; row++) {
    for (let state = 0; state < states; state++) {
      let density = constants[state] as number
      for (let d = 0; d < width; d++) {
        const at = state * width + d
        const distance = (observations[row * width + d] as number) - (means[at] as number)
        density -= distance ** 2 / (2 * (variances[at] as number))
      }
      densities[row * states + state] = density
    }
  }
  return densities
}

export interface Forward {
  /** Logarithms of P(state at a row | this row and those before it), row by row. */
  readonly logFiltered: Float64Array
  /** log P(row | the rows before it), in nats. */
  readonly logScales: Float64Array
  /** Their sum: of all rows. */
  readonly logLikelihood: number
}

export const forward = (model: GaussianHmm, densities: Float64Array): Forward => {
  const { logInitial, logTransitions, states } = model
  const rows = densities.length / states
  const logFiltered = new Float64Array(rows * states)
  const logScales = new Float64Array(rows)
  const terms = new Float64Array(states)
  let logLikelihood = 0
  for (let row = 0; row < rows; row++) {
    const at = row * states
    for (let state = 0; state < states; state++) {
      let predicted = logInitial[state] as number
      if (row > 0) {
        for (let from = 0; from < states; from++) {
          terms[from] =
            (logFiltered[at - states + from] as number) + (logTransitions[from * states + state] as number)
        }
        predicted = logSumExp(terms, 0, states)
      }
      logFiltered[at + state] = predicted + (densities[at + state] as number)
    }
    const scale = logSumExp(logFiltered, at, states)
    for (let state = 0; state < states; state++)
      logFiltered[at + state] = (logFiltered[at + state] as number) - scale
    logScales[row] = scale
    logLikelihood += scale
  }
  return { logFiltered, logScales, logLikelihood }
}

/**
 * Logarithms of P(rows after this | state) / P(rows after this | this and those before), row by row: with the filtered
 * probabilities they make the smoothed ones, which see the future and belong into fitting alone.
 */
export const backward = (
  model: GaussianHmm,
  densities: Float64Array,
  logScales: Float64Array
): Float64Array => {
  const { logTransitions, states } = model
  const rows = densities.length / states
  const logBackward = new Float64Array(rows * states)
  const terms = new Float64Array(states)
  for (let row = rows - 2; row >= 0; row--) {
    const next = (row + 1) * states
    for (let state = 0; state < states; state++) {
      for (let to = 0; to < states; to++) {
        terms[to] =
          (logTransitions[state * states + to] as number) +
          (densities[next + to] as number) +
          (logBackward[next + to] as number)
      }
      logBackward[row * states + state] = logSumExp(terms, 0, states) - (logScales[row + 1] as number)
    }
  }
  return logBackward
}

/** The filtered probabilities of the last row, and what they say of the next. */
export const filtered = (model: GaussianHmm, observations: Float64Array) => {
  const { logTransitions, states } = model
  const { logFiltered, logLikelihood } = forward(model, logDensities(model, observations))
  const now = Float64Array.from(logFiltered.subarray(logFiltered.length - states), Math.exp)
  const next = Float64Array.from({ length: states }, (_, to) => {
    let sum = 0
    for (let from = 0; from < states; from++) {
      sum += (now[from] as number) * Math.exp(logTransitions[from * states + to] as number)
    }
    return sum
  })
  return { now, next, logLikelihood }
}
