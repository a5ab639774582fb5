/**
 * Fitting a hidden Markov model by expectation and maximisation (Baum, Petrie, Soules and Weiss, 1970; Rabiner, 1989).
 *
 * From several beginnings: the first cuts the rows into states by one coordinate, the others draw rows as means, by key.
 * The likeliest of what they lead to is the model; its states are in the order of that coordinate.
 *
 * What can go wrong: a state that fewer than a row's worth of probability belongs to keeps what it had; a state on rows
 * that are all the same has the variance floor. A coordinate that never moves is no reason to stop.
 * Invariants: the likelihood never falls from one iteration to the next, with the floor as without it: the variance that
 * is clipped to the floor is the likeliest one above it. Equal rows and key give the same model.
 */
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { backward, forward, type GaussianHmm, logDensities } from "./GaussianHmm.ts"

export interface HmmFitOptions {
  readonly states: number
  readonly width: number
  /** The coordinate that the states are ordered by. */
  readonly orderBy: number
  /** Names the random stream. */
  readonly key: ReadonlyArray<string | number>
  readonly restarts: number
  readonly iterationsMax: number
  /** A gain of the mean log likelihood of a row that is worth no further iteration, in nats. */
  readonly gainMin: number
}

export interface FittedHmm {
  readonly model: GaussianHmm
  readonly logLikelihood: number
  /** Of the beginning that led to it, before each iteration and at the end. */
  readonly path: ReadonlyArray<number>
}

/** In variances of the coordinate over all rows. */
export const varianceFloor = 1e-3
/** Rows' worth of probability without which a state learns nothing. */
const massMin = 1
/** Of staying in a state, at the beginning. */
const stayAtFirst = 0.9

const momentsOf = (observations: Float64Array, width: number) => {
  const rows = observations.length / width
  const means = new Float64Array(width)
  const deviations = new Float64Array(width)
  for (let d = 0; d < width; d++) {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += observations[row * width + d] as number
    const mean = sum / rows
    let squares = 0
    for (let row = 0; row < rows; row++) squares += ((observations[row * width + d] as number) - mean) ** 2
    const deviation = Math.sqrt(squares / rows)
    means[d] = mean
    // What does not move is measured in units of its own size, so that it can be divided by.
    deviations[d] = deviation > 0 ? deviation : Math.max(Math.abs(mean), 1)
  }
  return { means, deviations }
}

/** Sticky transitions and variances of one: of standardised rows. */
const beginning = (states: number, width: number, means: Float64Array): GaussianHmm => ({
  states,
  width,
  logInitial: new Float64Array(states).fill(-Math.log(states)),
  logTransitions: Float64Array.from({ length: states * states }, (_, at) =>
    Math.log(states === 1 ? 1 : at % (states + 1) === 0 ? stayAtFirst : (1 - stayAtFirst) / (states - 1))
  ),
  means,
  variances: new Float64Array(states * width).fill(1)
})

/** Means of equal parts of the rows, cut by the coordinate that orders the states. */
const cutMeans = (rows: Float64Array, { orderBy, states, width }: HmmFitOptions): Float64Array => {
  const count = rows.length / width
  const order = Array.from({ length: count }, (_, row) => row).sort(
    (a, b) => (rows[a * width + orderBy] as number) - (rows[b * width + orderBy] as number) || a - b
  )
  const means = new Float64Array(states * width)
  for (let state = 0; state < states; state++) {
    const [from, to] = [Math.floor((state * count) / states), Math.floor(((state + 1) * count) / states)]
    for (let i = from; i < to; i++) {
      const row = order[i] as number
      for (let d = 0; d < width; d++) {
        means[state * width + d] =
          (means[state * width + d] as number) + (rows[row * width + d] as number) / (to - from)
      }
    }
  }
  return means
}

const drawnMeans = (rows: Float64Array, options: HmmFitOptions, restart: number): Float64Array => {
  const { key, states, width } = options
  const random = keyedRandom(...key, "beginning", restart)
  const means = new Float64Array(states * width)
  for (let state = 0; state < states; state++) {
    const row = random.int(rows.length / width)
    means.set(rows.subarray(row * width, (row + 1) * width), state * width)
  }
  return means
}

/** One iteration: the expectations under a model, and the model that is likeliest under them. */
export const iterate = (model: GaussianHmm, observations: Float64Array) => {
  const { logTransitions, states, width } = model
  const rows = observations.length / width
  const densities = logDensities(model, observations)
  const { logFiltered, logLikelihood, logScales } = forward(model, densities)
  const logBackward = backward(model, densities, logScales)
  const smoothed = logFiltered.map((value, i) => Math.exp(value + (logBackward[i] as number)))

  const moves = new Float64Array(states * states)
  for (let row = 0; row + 1 < rows; row++) {
    const [at, next] = [row * states, (row + 1) * states]
    for (let from = 0; from < states; from++) {
      const leaving = (logFiltered[at + from] as number) - (logScales[row + 1] as number)
      for (let to = 0; to < states; to++) {
        const logMove =
          leaving +
          (logTransitions[from * states + to] as number) +
          (densities[next + to] as number) +
          (logBackward[next + to] as number)
        moves[from * states + to] = (moves[from * states + to] as number) + Math.exp(logMove)
      }
    }
  }

  const transitions = logTransitions.slice()
  const means = model.means.slice()
  const variances = model.variances.slice()
  for (let state = 0; state < states; state++) {
    let left = 0
    for (let to = 0; to < states; to++) left += moves[state * states + to] as number
    if (left >= massMin) {
      for (let to = 0; to < states; to++) {
        transitions[state * states + to] = Math.log((moves[state * states + to] as number) / left)
      }
    }
    let mass = 0
    for (let row = 0; row < rows; row++) mass += smoothed[row * states + state] as number
    if (mass < massMin) continue
    for (let d = 0; d < width; d++) {
      let sum = 0
      for (let row = 0; row < rows; row++) {
        sum += (smoothed[row * states + state] as number) * (observations[row * width + d] as number)
      }
      const mean = sum / mass
      let squares = 0
      for (let row = 0; row < rows; row++) {
        squares +=
          (smoothed[row * states + state] as number) * ((observations[row * width + d] as number) - mean) ** 2
      }
      means[state * width + d] = mean
      variances[state * width + d] = Math.max(varianceFloor, squares / mass)
    }
  }
  const logInitial = Float64Array.from(
    { length: states },
    (_, state) => (logFiltered[state] as number) + (logBackward[state] as number)
  )
  const better: GaussianHmm = { states, width, logInitial, logTransitions: transitions, means, variances }
  return { better, logLikelihood }
}

/** The states in another order: the new one at a place is the old one that stands there. */
const reordered = (model: GaussianHmm, order: ReadonlyArray<number>): GaussianHmm => {
  const { logInitial, logTransitions, means, states, variances, width } = model
  const byState = (values: Float64Array) =>
    Float64Array.from(order.flatMap((state) => [...values.subarray(state * width, (state + 1) * width)]))
  return {
    states,
    width,
    logInitial: Float64Array.from(order, (state) => logInitial[state] as number),
    logTransitions: Float64Array.from(
      order.flatMap((from) => order.map((to) => logTransitions[from * states + to] as number))
    ),
    means: byState(means),
    variances: byState(variances)
  }
}

/**
 * Fits a model, an iteration a step.
 *
 * @param observations row by row; as many rows as states at least
 */
export function* fitHmm(observations: Float64Array, options: HmmFitOptions): Generator<void, FittedHmm> {
  const { gainMin, iterationsMax, orderBy, restarts, states, width } = options
  const rows = observations.length / width
  if (!Number.isInteger(rows) || rows < states || !observations.every(Number.isFinite)) {
    throw new RangeError(
      `a model of ${states} states is fitted on at least as many rows of ${width} finite numbers`
    )
  }
  const { deviations, means: centre } = momentsOf(observations, width)
  const standardised = observations.map(
    (value, i) => (value - (centre[i % width] as number)) / (deviations[i % width] as number)
  )
  yield

  let best: { readonly model: GaussianHmm; readonly path: ReadonlyArray<number> } | undefined
  for (let restart = 0; restart < restarts; restart++) {
    const means = restart === 0 ? cutMeans(standardised, options) : drawnMeans(standardised, options, restart)
    let model = beginning(states, width, means)
    const path: Array<number> = []
    for (let iteration = 0; iteration < iterationsMax; iteration++) {
      const { better, logLikelihood } = iterate(model, standardised)
      const gain = logLikelihood - (path.at(-1) ?? Number.NEGATIVE_INFINITY)
      path.push(logLikelihood)
      model = better
      yield
      if (gain < gainMin * rows) break
    }
    path.push(forward(model, logDensities(model, standardised)).logLikelihood)
    if (best === undefined || (path.at(-1) as number) > (best.path.at(-1) as number)) best = { model, path }
    yield
  }
  if (best === undefined) throw new RangeError("a model is fitted from at least one beginning")

  const { model } = best
  const order = Array.from({ length: states }, (_, state) => state).sort(
    (a, b) =>
      (model.means[a * width + orderBy] as number) - (model.means[b * width + orderBy] as number) || a - b
  )
  const inOrder = reordered(model, order)
  // From deviations back into units; each row's density shrinks by the deviations of its coordinates.
  let logUnits = 0
  for (const deviation of deviations) logUnits += Math.log(deviation)
  const path = best.path.map((logLikelihood) => logLikelihood - rows * logUnits)
  return {
    model: {
      ...inOrder,
      means: inOrder.means.map(
        (mean, i) => (centre[i % width] as number) + mean * (deviations[i % width] as number)
      ),
      variances: inOrder.variances.map((variance, i) => variance * (deviations[i % width] as number) ** 2)
    },
    logLikelihood: path.at(-1) as number,
    path
  }
}
