/** How unusual something is, as several streams measure it. */

/**
 * 1 - exp(-z^2 / 2), in [0, 1): what the normal density has lost z deviations from its middle. 0 for what lies in the
 * middle, 0.39 one deviation away, 0.86 two, 0.99 three.
 */
export const unusualness = (deviations: number): number => 1 - Math.exp(-(deviations ** 2) / 2)

/**
 * How far steps have led, in deviations of such a way: their sum over the root of the sum of their squares, which of n
 * independent steps without drift is about standard normal (the self-normalised sum; Efron, 1969). Within +-sqrt(n), and
 * 0 where nothing has moved.
 */
export const selfNormalised = (steps: ArrayLike<number>): number => {
  let sum = 0
  let squares = 0
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as number
    sum += step
    squares += step * step
  }
  return squares > 0 ? sum / Math.sqrt(squares) : 0
}
