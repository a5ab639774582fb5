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
  let largest = 0
  for (let i = 0; i < steps.length; i++) largest = Math.max(largest, Math.abs(steps[i] as number))
  if (largest === 0) return 0
  let sum = 0
  let squares = 0
  for (let i = 0; i < steps.length; i++) {
    // In shares of the largest: the squares of very small steps would lose their digits.
    const step = (steps[i] as number) / largest
    sum += step
    squares += step * step
  }
  return sum / Math.sqrt(squares)
}
