/**
 * The logistic regression inside the score calibrator: six numbers by Newton's method.
 *
 * theta = [sell: intercept, score, band; buy: intercept, score, band], hold has logit 0. Minimised is
 *   - sum over rows of log p(label) - priorOutcomes * sum over sides of rate * log p(side at v = [1, 0, 0])
 *   + ridge / 2 * (squared slopes),
 * subject to score slope of sell <= 0 <= that of buy. The objective is convex, and strictly so with a
 * positive ridge and prior; a constrained minimum is the free minimum over those slopes that are not held
 * at 0, so that the best feasible one of the at most four choices of held slopes is exact.
 *
 * What can go wrong: nothing with finite covariates, a positive ridge and prior, and positive base rates;
 * with a prior or ridge of 0, data that separate perfectly end at the iteration cap with large but finite
 * numbers.
 */
import { factorise, solve } from "./Cholesky.ts"
import type { Steps } from "./steps.ts"

export interface LogitProblem {
  /** Standardised covariates. */
  readonly score: Float64Array
  readonly band: Float64Array
  /** 0 sell, 1 hold, 2 buy. */
  readonly label: Uint8Array
  /** A distribution. */
  readonly baseRates: { readonly sell: number; readonly hold: number; readonly buy: number }
  readonly ridge: number
  readonly priorOutcomes: number
  readonly iterationsMax: number
}

const size = 6
const sellScore = 1
const buyScore = 4
const slopes = [1, 2, 4, 5]

/** Newton's method stops where it promises less than this of the objective, in nats. */
const gainMin = 1e-10
/** A step may raise the objective by this share of it, which is what summing it up may be wrong by. */
const noiseShare = 1e-12
const halvingsMax = 20
/** Base rates are kept this far from 0, where their logarithm is needed. */
const rateMin = 1e-6

/** Theta at the constrained minimum, in the order of the header; a step for each pass over the rows. */
export function* fitLogits(problem: LogitProblem): Steps<Float64Array> {
  const free = yield* descend(problem, [])
  if (isFeasible(free.theta)) return free.theta
  const candidates: Array<Descent> = []
  for (const held of [[sellScore], [buyScore], [sellScore, buyScore]]) {
    const candidate = yield* descend(problem, held)
    if (isFeasible(candidate.theta)) candidates.push(candidate)
  }
  return candidates.reduce((best, candidate) => (candidate.loss < best.loss ? candidate : best)).theta
}

const isFeasible = (theta: Float64Array) =>
  (theta[sellScore] as number) <= 0 && (theta[buyScore] as number) >= 0

interface Descent {
  readonly theta: Float64Array
  readonly loss: number
}

/** Newton's method with halved steps, over all of theta but what is held at 0. */
function* descend(problem: LogitProblem, held: ReadonlyArray<number>): Steps<Descent> {
  const hold = Math.log(Math.max(rateMin, problem.baseRates.hold))
  let theta = new Float64Array(size)
  theta[0] = Math.log(Math.max(rateMin, problem.baseRates.sell)) - hold
  theta[3] = Math.log(Math.max(rateMin, problem.baseRates.buy)) - hold
  const gradient = new Float64Array(size)
  const hessian = new Float64Array(size * size)
  let loss = evaluate(problem, theta, gradient, hessian)
  for (let iteration = 0; iteration < problem.iterationsMax; iteration++) {
    for (const fixed of held) {
      gradient[fixed] = 0
      for (let j = 0; j < size; j++) {
        hessian[fixed * size + j] = 0
        hessian[j * size + fixed] = 0
      }
      hessian[fixed * size + fixed] = 1
    }
    yield
    const step = Float64Array.from(gradient)
    if (!factorise(hessian, size, 0)) break
    solve(hessian, size, step)
    const gain = step.reduce((sum, value, i) => sum + value * (gradient[i] as number), 0) / 2
    if (!(gain > gainMin)) break
    const lossMax = loss + noiseShare * Math.abs(loss)
    let scale = 1
    let next = move(theta, step, scale)
    let nextLoss = evaluate(problem, next, gradient, hessian)
    for (let halving = 0; halving < halvingsMax && !(nextLoss <= lossMax); halving++) {
      yield
      scale /= 2
      next = move(theta, step, scale)
      nextLoss = evaluate(problem, next, gradient, hessian)
    }
    if (!(nextLoss <= lossMax)) break
    theta = next
    loss = nextLoss
  }
  return { theta, loss }
}

const move = (theta: Float64Array, step: Float64Array, scale: number): Float64Array<ArrayBuffer> =>
  Float64Array.from(theta, (value, i) => value - scale * (step[i] as number))

/** Where the products 1, s, l, ss, sl, ll of a row's covariates stand in a symmetric 3 x 3 block. */
const blockIndex = [
  [0, 1, 2],
  [1, 3, 4],
  [2, 4, 5]
] as const

/** The objective at theta; overwrites its gradient and its Hessian. */
const evaluate = (
  problem: LogitProblem,
  theta: Float64Array,
  gradient: Float64Array,
  hessian: Float64Array
): number => {
  const { baseRates, ridge, priorOutcomes } = problem
  const [a0, a1, a2, b0, b1, b2] = theta as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const products = new Float64Array(6)
  // The blocks of the Hessian: sell with sell, buy with buy, sell with buy.
  const sellSell = new Float64Array(6)
  const buyBuy = new Float64Array(6)
  const sellBuy = new Float64Array(6)
  gradient.fill(0)
  let loss = 0

  /** Adds `weight` outcomes at (1, s, l), of which the given shares are sell and buy, the rest hold. */
  const add = (weight: number, s: number, l: number, sellShare: number, buyShare: number) => {
    const sell = a0 + a1 * s + a2 * l
    const buy = b0 + b1 * s + b2 * l
    const highest = Math.max(0, sell, buy)
    const sellWeight = Math.exp(sell - highest)
    const buyWeight = Math.exp(buy - highest)
    const total = sellWeight + Math.exp(-highest) + buyWeight
    const pSell = sellWeight / total
    const pBuy = buyWeight / total
    loss += weight * (highest + Math.log(total) - sellShare * sell - buyShare * buy)
    products[0] = weight
    products[1] = weight * s
    products[2] = weight * l
    products[3] = weight * s * s
    products[4] = weight * s * l
    products[5] = weight * l * l
    for (let i = 0; i < 3; i++) {
      gradient[i] = (gradient[i] as number) + (products[i] as number) * (pSell - sellShare)
      gradient[i + 3] = (gradient[i + 3] as number) + (products[i] as number) * (pBuy - buyShare)
    }
    for (let i = 0; i < 6; i++) {
      const product = products[i] as number
      sellSell[i] = (sellSell[i] as number) + product * pSell * (1 - pSell)
      buyBuy[i] = (buyBuy[i] as number) + product * pBuy * (1 - pBuy)
      sellBuy[i] = (sellBuy[i] as number) - product * pSell * pBuy
    }
  }

  add(priorOutcomes, 0, 0, baseRates.sell, baseRates.buy)
  for (let row = 0; row < problem.label.length; row++) {
    const label = problem.label[row] as number
    add(
      1,
      problem.score[row] as number,
      problem.band[row] as number,
      label === 0 ? 1 : 0,
      label === 2 ? 1 : 0
    )
  }
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      const at = blockIndex[i as 0 | 1 | 2][j as 0 | 1 | 2]
      hessian[i * size + j] = sellSell[at] as number
      hessian[(i + 3) * size + j + 3] = buyBuy[at] as number
      hessian[i * size + j + 3] = sellBuy[at] as number
      hessian[(i + 3) * size + j] = sellBuy[at] as number
    }
  }
  for (const at of slopes) {
    const value = theta[at] as number
    loss += (ridge / 2) * value * value
    gradient[at] = (gradient[at] as number) + ridge * value
    hessian[at * size + at] = (hessian[at * size + at] as number) + ridge
  }
  return loss
}
