/**
 * The least of a smooth convex function by L-BFGS (Nocedal, Updating Quasi-Newton Matrices with Limited Storage, 1980; the
 * two-loop recursion as in Nocedal and Wright, Numerical Optimization, 2006, algorithm 7.4), with halving steps until the
 * function has fallen enough (Armijo).
 *
 * What can go wrong: a function that is not finite at the start throws RangeError. It ends early where rounding leaves no
 * step that lowers the function: `converged` says which it was.
 * Invariants: the function never rises; equal functions give equal bits.
 */
import type { Steps } from "../steps.ts"

export interface Objective {
  /** The value at a point; writes the gradient there. */
  readonly evaluate: (point: Float64Array, gradient: Float64Array) => Steps<number>
}

export interface LbfgsOptions {
  readonly iterationsMax: number
  /** Ends when the largest part of the gradient is no larger. */
  readonly gradientMax: number
}

export interface Minimum {
  readonly point: Float64Array
  readonly value: number
  readonly iterations: number
  readonly converged: boolean
}

const pairsMax = 10
const sufficientDecrease = 1e-4
const halvingsMax = 40
/** Of the squares of step and change: below, a pair says nothing of the curvature. */
const curvatureMin = 1e-12

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

const addScaled = (to: Float64Array, scale: number, from: Float64Array): void => {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) + scale * (from[i] as number)
}

const largest = (values: Float64Array): number => {
  let most = 0
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i] as number))
  return most
}

interface Pair {
  readonly step: Float64Array
  readonly change: Float64Array
  /** 1 / (step . change) */
  readonly rho: number
}

/** The direction of descent: minus the gradient times an estimate of the inverse Hessian. */
const directionOf = (gradient: Float64Array, pairs: ReadonlyArray<Pair>): Float64Array => {
  const direction = gradient.map((part) => -part)
  const alphas = new Float64Array(pairs.length)
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { change, rho, step } = pairs[i] as Pair
    const alpha = rho * dot(step, direction)
    alphas[i] = alpha
    addScaled(direction, -alpha, change)
  }
  const latest = pairs.at(-1)
  if (latest !== undefined) {
    const scale = 1 / (latest.rho * dot(latest.change, latest.change))
    for (let i = 0; i < direction.length; i++) direction[i] = scale * (direction[i] as number)
  }
  for (const [i, { change, rho, step }] of pairs.entries()) {
    addScaled(direction, (alphas[i] as number) - rho * dot(change, direction), step)
  }
  return direction
}

/** @param start is not changed */
export function* minimise(
  { evaluate }: Objective,
  start: Float64Array,
  { gradientMax, iterationsMax }: LbfgsOptions
): Steps<Minimum> {
  let point = Float64Array.from(start)
  let gradient = new Float64Array(point.length)
  let value = yield* evaluate(point, gradient)
  if (!Number.isFinite(value)) throw new RangeError(`The function is ${value} where it should begin.`)
  const pairs: Array<Pair> = []
  for (let iterations = 0; ; iterations++) {
    const converged = largest(gradient) <= gradientMax
    if (converged || iterations === iterationsMax) return { point, value, iterations, converged }
    let direction = directionOf(gradient, pairs)
    let slope = dot(gradient, direction)
    if (slope >= 0) {
      pairs.length = 0
      direction = gradient.map((part) => -part)
      slope = -dot(gradient, gradient)
    }
    // Before anything is known of the curvature, a step of length one at most.
    let length = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(-slope)) : 1
    const nextGradient = new Float64Array(point.length)
    const nextPoint = new Float64Array(point.length)
    let nextValue = Number.POSITIVE_INFINITY
    for (let halvings = 0; ; halvings++) {
      if (halvings === halvingsMax) return { point, value, iterations, converged: false }
      nextPoint.set(point)
      addScaled(nextPoint, length, direction)
      nextValue = yield* evaluate(nextPoint, nextGradient)
      if (nextValue <= value + sufficientDecrease * length * slope) break
      length /= 2
    }
    const step = nextPoint.map((part, i) => part - (point[i] as number))
    const change = nextGradient.map((part, i) => part - (gradient[i] as number))
    const curvature = dot(step, change)
    if (curvature > curvatureMin * Math.sqrt(dot(step, step) * dot(change, change))) {
      pairs.push({ step, change, rho: 1 / curvature })
      if (pairs.length > pairsMax) pairs.shift()
    }
    point = nextPoint
    gradient = nextGradient
    value = nextValue
  }
}
