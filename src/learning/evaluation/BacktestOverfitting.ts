/**
 * The probability that choosing the best of several strategies by their backtests has chosen luck, by combinatorially
 * symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest Overfitting, Journal of
 * Computational Finance, 2017, section 3).
 *
 * The returns [bars, strategies] are cut into S blocks of equal length. Each half of the blocks is once what the choice
 * is made on, and the other half what it is judged on: C(S, S / 2) splits. In each the strategy that is best on the first
 * half has the relative rank w = rank / (N + 1) on the second, 1 / (N + 1) where it is the worst of N; its logit is
 * log(w / (1 - w)). The probability of overfitting is the share of splits whose logit is not above 0.
 *
 * Definitions where the paper leaves them open: bars that make no whole block are left out, the oldest ones; of strategies
 * that are equally good on the first half, the first is chosen; equal values on the second share their mean rank; a
 * strategy whose returns do not vary on a half has the Sharpe ratio 0 there.
 *
 * What can go wrong: too few bars or strategies (OverfittingUnjudged), returns that are not finite (RowRefused).
 * A number of blocks that is odd or too large throws EvaluationInvalid.
 * Invariant: no draw of chance is made; equal returns give equal results.
 */
import { Either } from "effect"
import type { RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { combinationCount, combinations } from "./Combinations.ts"
import { checkCount, refuseNumbers } from "./checks.ts"
import { EvaluationInvalid, OverfittingUnjudged } from "./errors.ts"
import { sharpeOfSums } from "./SharpeStatistics.ts"

export interface OverfittingOptions {
  readonly strategies: number
  /** S of the paper: even, `blocksDefault` unless said otherwise. */
  readonly blocks?: number
  /** What is compared: the Sharpe ratio, unless said otherwise, or the mean return. */
  readonly measure?: "sharpe" | "mean"
}

export interface Overfitting {
  readonly splits: number
  /** Bars that were used: whole blocks. */
  readonly bars: number
  /** The share of splits in which the chosen strategy came out in the lower half. */
  readonly probability: number
  /** One per split. */
  readonly logits: Float64Array
  /** What the chosen strategy came to on the second half, as a line of what it had on the first; null without spread. */
  readonly degradation: { readonly slope: number; readonly intercept: number } | null
  /** The share of splits in which the chosen strategy lost on the second half. */
  readonly lossProbability: number
}

export const blocksDefault = 16

/** C(20, 10) is 184,756 splits. */
export const blocksMax = 20

/** A standard deviation of fewer returns says nothing. */
const barsPerBlockMin = 2
const strategiesMin = 2

/** Multiplications between two breaths: a millisecond or so. */
const workPerStep = 500_000

/**
 * Sums of the returns of each block, [blocks, strategies], after the first return of each strategy was taken off: what
 * never varies sums to exactly 0 then. What varies elsewhere alone leaves rounding (`sharpeOfSums`).
 */
interface BlockSums {
  readonly offsets: Float64Array
  readonly sums: Float64Array
  readonly squares: Float64Array
}

function* sumBlocks(
  returns: Float64Array,
  first: number,
  strategies: number,
  blocks: number,
  length: number
): Steps<BlockSums> {
  const offsets = returns.slice(first * strategies, (first + 1) * strategies)
  const sums = new Float64Array(blocks * strategies)
  const squares = new Float64Array(blocks * strategies)
  let done = 0
  for (let bar = 0; bar < blocks * length; bar++) {
    const row = (first + bar) * strategies
    const block = Math.floor(bar / length) * strategies
    for (let s = 0; s < strategies; s++) {
      const value = (returns[row + s] as number) - (offsets[s] as number)
      sums[block + s] = (sums[block + s] as number) + value
      squares[block + s] = (squares[block + s] as number) + value * value
    }
    done += strategies
    if (done >= workPerStep) {
      done = 0
      yield
    }
  }
  return { offsets, sums, squares }
}

/** What each strategy comes to on some of the blocks. */
const measureOn = (
  { offsets, sums, squares }: BlockSums,
  blocks: Iterable<number>,
  bars: number,
  measure: "sharpe" | "mean",
  out: Float64Array,
  spread: Float64Array
): void => {
  const strategies = offsets.length
  out.fill(0)
  spread.fill(0)
  for (const block of blocks) {
    for (let s = 0; s < strategies; s++) {
      out[s] = (out[s] as number) + (sums[block * strategies + s] as number)
      spread[s] = (spread[s] as number) + (squares[block * strategies + s] as number)
    }
  }
  for (let s = 0; s < strategies; s++) {
    const offset = offsets[s] as number
    const sum = out[s] as number
    out[s] =
      measure === "mean"
        ? offset + sum / bars
        : sharpeOfSums({ count: bars, sum, squares: spread[s] as number, offset })
  }
}

const indexOfLargest = (values: Float64Array): number => {
  let best = 0
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i
  }
  return best
}

/** From 1 for the smallest; equal values share the mean of their ranks. */
const rankOf = (values: Float64Array, index: number): number => {
  const value = values[index] as number
  let below = 0
  let equal = 0
  for (const other of values) {
    if (other < value) below++
    else if (other === value) equal++
  }
  return below + (equal + 1) / 2
}

/** Least squares of y on x; null where x does not vary. */
const lineThrough = (x: Float64Array, y: Float64Array): Overfitting["degradation"] => {
  const n = x.length
  let meanX = 0
  let meanY = 0
  for (let i = 0; i < n; i++) {
    meanX += (x[i] as number) / n
    meanY += (y[i] as number) / n
  }
  let products = 0
  let squares = 0
  for (let i = 0; i < n; i++) {
    const distance = (x[i] as number) - meanX
    products += distance * ((y[i] as number) - meanY)
    squares += distance * distance
  }
  const slope = products / squares
  return Number.isFinite(slope) ? { slope, intercept: meanY - slope * meanX } : null
}

/** @param returns [bars, strategies], row-major, in time order */
export function* backtestOverfitting(
  returns: Float64Array,
  options: OverfittingOptions
): Steps<Either.Either<Overfitting, RowRefused | OverfittingUnjudged>> {
  const { strategies, blocks = blocksDefault, measure = "sharpe" } = options
  checkCount("the number of strategies", strategies)
  checkCount("the number of blocks", blocks, 2)
  if (blocks % 2 !== 0 || blocks > blocksMax) {
    const reason = `is ${blocks}, not even and at most ${blocksMax}`
    throw new EvaluationInvalid({ part: "the number of blocks", reason })
  }
  const rows = Math.floor(returns.length / strategies)
  const refused = refuseNumbers("return", returns, rows, strategies)
  if (refused !== undefined) return Either.left(refused)
  if (strategies < strategiesMin) {
    return Either.left(new OverfittingUnjudged({ reason: "one strategy alone was not chosen from any" }))
  }
  const length = Math.floor(rows / blocks)
  if (length < barsPerBlockMin) {
    const reason = `${rows} bars do not make ${blocks} blocks of at least ${barsPerBlockMin}`
    return Either.left(new OverfittingUnjudged({ reason }))
  }

  const bars = length * blocks
  const sums = yield* sumBlocks(returns, rows - bars, strategies, blocks, length)
  const splits = combinationCount(blocks, blocks / 2)
  const logits = new Float64Array(splits)
  const chosenOn = new Float64Array(splits)
  const judgedOn = new Float64Array(splits)
  const inSample = new Float64Array(strategies)
  const outOfSample = new Float64Array(strategies)
  const spread = new Float64Array(strategies)
  let lower = 0
  let lost = 0
  let split = 0
  let work = 0
  for (const half of combinations(blocks, blocks / 2)) {
    const others = Array.from({ length: blocks }, (_, block) => block).filter(
      (block) => !half.includes(block)
    )
    measureOn(sums, half, bars / 2, measure, inSample, spread)
    measureOn(sums, others, bars / 2, measure, outOfSample, spread)
    const best = indexOfLargest(inSample)
    const relative = rankOf(outOfSample, best) / (strategies + 1)
    logits[split] = Math.log(relative / (1 - relative))
    chosenOn[split] = inSample[best] as number
    judgedOn[split] = outOfSample[best] as number
    if (relative <= 0.5) lower++
    if ((outOfSample[best] as number) < 0) lost++
    split++
    work += blocks * strategies
    if (work >= workPerStep) {
      work = 0
      yield
    }
  }
  return Either.right({
    splits,
    bars,
    probability: lower / splits,
    logits,
    degradation: lineThrough(chosenOn, judgedOn),
    lossProbability: lost / splits
  })
}
