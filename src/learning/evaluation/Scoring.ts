/**
 * Proper scoring rules: what one forecast costs once its outcome is known.
 *
 * They check nothing, for they stand in inner loops; the measures over many outcomes do.
 * Invariants: lower is better; nobody gains by saying anything but what they believe; a distribution that is certain
 * and wrong costs a finite amount.
 */

/**
 * A probability below this counts as this in the log loss: being certain and wrong costs 13.8 nats, not
 * all.
 */
export const probabilityFloor = 1e-6

/**
 * -log of the probability of what happened, in nats (Good, 1952). `label` is an index into the
 * probabilities.
 */
export const logLoss = (probabilities: ArrayLike<number>, label: number): number =>
  surprise(probabilities[label] as number)

/** The log loss of an event that had this probability. */
export const surprise = (probability: number): number =>
  -Math.log(Math.min(1, Math.max(probabilityFloor, probability)))

/** Squared distance to what happened, summed over the classes, in [0, 2] (Brier, 1950). */
export const brier = (probabilities: ArrayLike<number>, label: number): number => {
  let sum = 0
  for (let i = 0; i < probabilities.length; i++)
    sum += ((probabilities[i] as number) - (i === label ? 1 : 0)) ** 2
  return sum
}

/** The loss that the `level` quantile minimises in the mean (Koenker and Bassett, 1978). */
export const pinball = (level: number, predicted: number, realised: number): number => {
  const error = realised - predicted
  return error >= 0 ? level * error : (level - 1) * error
}

/** NaN for nothing. */
export const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] as number
  return sum / values.length
}
