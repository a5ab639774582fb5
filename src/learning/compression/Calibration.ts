/**
 * Ranges of activations, from what a model's activations were over calibration rows: least and greatest, or the part
 * in the middle that holds a share of all values, so that a few outliers do not cost the others their digits.
 *
 * Values are counted in bins of equal width over [-w, w), where w is a power of two that doubles as values ask for it:
 * neighbouring bins are then joined, which is exact. So memory is bounded, and the ranges do not depend on the order of
 * the rows or on how they were batched.
 *
 * What can go wrong: a value that is not finite is refused, and none of its batch is taken; without any value there is
 * no range (TooFewOutcomes). Rows that are unlike those that will be served give ranges that cut those off: that is
 * seen only where the compressed model is judged, on rows of their time.
 * Invariants: a range by share lies within that of least and greatest, and misses the exact one by at most a bin.
 */
import { Either } from "effect"
import { RowRefused, TooFewOutcomes } from "../errors.ts"
import type { ModelProto } from "../onnx/OnnxFile.ts"
import { CompressionInvalid } from "./errors.ts"
import type { ActivationRange } from "./Int8.ts"
import { activationsOf, observedModel } from "./Quantisation.ts"
import type { QuantisationOptions } from "./QuantisationPlan.ts"

export type RangeRule =
  | { readonly kind: "least and greatest" }
  /** Of all values, the share in the middle: what is left out is left out to equal parts at both ends. */
  | { readonly kind: "share"; readonly share: number }

const bins = 4_096
const exponentMin = -126

export interface RangeObserver {
  /** Takes the values of an activation in one batch. */
  readonly observe: (name: string, values: Float32Array) => Either.Either<void, RowRefused>
  readonly rangeOf: (name: string, rule: RangeRule) => Either.Either<ActivationRange, TooFewOutcomes>
}

interface Histogram {
  /** Values lie in +-2^exponent. */
  readonly exponent: number
  readonly counts: Float64Array
}

/** The same counts, over twice the width, so often. */
const widened = ({ counts, exponent }: Histogram, to: number): Histogram => {
  if (exponent === to) return { counts, exponent }
  const joined = new Float64Array(bins)
  const shift = 2 ** (to - exponent)
  for (let i = 0; i < bins; i++) {
    const at = Math.floor((i - bins / 2) / shift) + bins / 2
    joined[at] = (joined[at] as number) + (counts[i] as number)
  }
  return { counts: joined, exponent: to }
}

/** Least n with all sizes below 2^n. */
const exponentFor = (size: number): number => {
  let exponent = size === 0 ? exponentMin : Math.max(exponentMin, Math.ceil(Math.log2(size)))
  while (2 ** exponent <= size) exponent++
  return exponent
}

export const rangeObserver = (): RangeObserver => {
  interface Seen extends ActivationRange {
    readonly histogram: Histogram
    readonly count: number
  }
  const seen = new Map<string, Seen>()
  return {
    observe: (name, values) => {
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as number
        if (!Number.isFinite(value)) {
          return Either.left(new RowRefused({ row: i, column: name, reason: "is not finite" }))
        }
        if (value < low) low = value
        if (value > high) high = value
      }
      if (values.length === 0) return Either.right(undefined)
      const known = seen.get(name)
      const own = exponentFor(Math.max(Math.abs(low), Math.abs(high)))
      const before = known?.histogram ?? { exponent: own, counts: new Float64Array(bins) }
      const histogram = widened(before, Math.max(own, before.exponent))
      const perUnit = bins / 2 / 2 ** histogram.exponent
      for (let i = 0; i < values.length; i++) {
        const at = Math.floor((values[i] as number) * perUnit) + bins / 2
        histogram.counts[at] = (histogram.counts[at] as number) + 1
      }
      seen.set(name, {
        histogram,
        low: Math.min(low, known?.low ?? low),
        high: Math.max(high, known?.high ?? high),
        count: values.length + (known?.count ?? 0)
      })
      return Either.right(undefined)
    },
    rangeOf: (name, rule) => {
      const found = seen.get(name)
      if (found === undefined) return Either.left(new TooFewOutcomes({ outcomes: 0, outcomesMin: 1 }))
      const { count, high, histogram, low } = found
      if (rule.kind === "least and greatest") return Either.right({ low, high })
      if (!(rule.share > 0 && rule.share <= 1)) {
        throw new CompressionInvalid({
          part: "the share",
          reason: `is ${rule.share}, not above 0 and up to 1`
        })
      }
      const outside = ((1 - rule.share) / 2) * count
      const width = 2 ** histogram.exponent / (bins / 2)
      const edge = (bin: number) => (bin - bins / 2) * width
      let below = 0
      let first = 0
      while (below + (histogram.counts[first] as number) <= outside)
        below += histogram.counts[first++] as number
      let above = 0
      let last = bins - 1
      while (above + (histogram.counts[last] as number) <= outside)
        above += histogram.counts[last--] as number
      return Either.right({ low: Math.max(low, edge(first)), high: Math.min(high, edge(last + 1)) })
    }
  }
}

/** One run of a model: its inputs by name in, its outputs out. */
export type RunModel = (
  feeds: Readonly<Record<string, { readonly shape: ReadonlyArray<number>; readonly data: Float32Array }>>
) => Promise<Readonly<Record<string, Float32Array>>>

/**
 * The ranges that the static scheme needs, over batches of calibration rows. Those must be of the training range: what
 * a model is judged on must not have chosen its ranges.
 */
export const calibrate = async (
  model: ModelProto,
  batches: Iterable<Parameters<RunModel>[0]>,
  options: {
    readonly open: (model: ModelProto) => Promise<RunModel>
    readonly rule: RangeRule
    readonly quantisation?: QuantisationOptions
  }
): Promise<Either.Either<ReadonlyMap<string, ActivationRange>, RowRefused | TooFewOutcomes>> => {
  const names = activationsOf(model, options.quantisation)
  const run = await options.open(observedModel(model, options.quantisation))
  const observer = rangeObserver()
  for (const batch of batches) {
    const results = await run(batch)
    for (const name of names) {
      const observed = observer.observe(name, results[name] ?? batch[name]?.data ?? new Float32Array())
      if (Either.isLeft(observed)) return Either.left(observed.left)
    }
  }
  return Either.map(
    Either.all(
      names.map((name) => Either.map(observer.rangeOf(name, options.rule), (range) => [name, range] as const))
    ),
    (ranges) => new Map(ranges)
  )
}
