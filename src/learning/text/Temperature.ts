/**
 * The temperature that logits are divided by so that their softmax means what it says (Guo et al., On Calibration of Modern
 * Neural Networks, 2017): that of the least log loss, within bounds.
 *
 * Invariants: the log loss is convex in 1 / temperature, so that the search by golden sections finds its least; which class is
 * most probable never changes.
 */
import type { Steps } from "../steps.ts"
import { softmaxInPlace } from "./LogisticRegression.ts"

const inverseMin = 0.2
const inverseMax = 5
const sections = 40
/** About a millisecond. */
const rowsPerStep = 5_000
const golden = (Math.sqrt(5) - 1) / 2

/** Mean log loss, in nats, of logits [rows, classes] times a factor. */
export function* meanLossOf(
  logits: Float64Array,
  labels: ArrayLike<number>,
  classes: number,
  factor: number
): Steps<number> {
  const row = new Float64Array(classes)
  let sum = 0
  for (let i = 0; i < labels.length; i++) {
    for (let k = 0; k < classes; k++) row[k] = factor * (logits[i * classes + k] as number)
    const truth = row[labels[i] as number] as number
    sum += softmaxInPlace(row) - truth
    if ((i + 1) % rowsPerStep === 0) yield
  }
  yield
  return sum / labels.length
}

export function* fitTemperature(
  logits: Float64Array,
  labels: ArrayLike<number>,
  classes: number
): Steps<number> {
  const loss = (inverse: number) => meanLossOf(logits, labels, classes, inverse)
  let [low, high] = [inverseMin, inverseMax]
  let [a, b] = [high - golden * (high - low), low + golden * (high - low)]
  let [lossA, lossB] = [yield* loss(a), yield* loss(b)]
  for (let i = 0; i < sections; i++) {
    if (lossA <= lossB) {
      ;[high, b, lossB] = [b, a, lossA]
      a = high - golden * (high - low)
      lossA = yield* loss(a)
    } else {
      ;[low, a, lossA] = [a, b, lossB]
      b = low + golden * (high - low)
      lossB = yield* loss(b)
    }
  }
  return 2 / (low + high)
}
