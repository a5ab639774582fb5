/**
 * When the labels of samples were in the making: sample i's label depends on what happened from `start[i]` to
 * `end[i]`, both ends included, epoch milliseconds. Two samples whose spans touch share information, and must not
 * stand on both sides of a split (Lopez de Prado, Advances in Financial Machine Learning, 2018, section 7.4).
 *
 * What can go wrong: times that are not finite, an end before its start, starts out of order (RowRefused). Samples of
 * several instruments at one instant are fine: starts may be equal.
 */
import { RowRefused } from "../errors.ts"
import { refuseNumbers } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"
import type { IndexRange } from "./IndexRange.ts"

export interface LabelSpans {
  /** Never falls from one sample to the next. */
  readonly start: ArrayLike<number>
  readonly end: ArrayLike<number>
}

export const refuseSpans = ({ start, end }: LabelSpans): RowRefused | undefined => {
  const refused = refuseNumbers("start", start, start.length) ?? refuseNumbers("end", end, start.length)
  if (refused !== undefined) return refused
  for (let i = 0; i < start.length; i++) {
    if ((end[i] as number) < (start[i] as number)) {
      return new RowRefused({
        row: i + 1,
        column: "end",
        reason: `is ${end[i]}, before its start ${start[i]}`
      })
    }
    if (i > 0 && (start[i] as number) < (start[i - 1] as number)) {
      return new RowRefused({
        row: i + 1,
        column: "start",
        reason: `is ${start[i]}, before that of the row above`
      })
    }
  }
  return undefined
}

/** The latest label end of the samples; -Infinity of none. */
export const latestEnd = ({ end }: LabelSpans, samples: IndexRange): number => {
  let latest = Number.NEGATIVE_INFINITY
  for (let i = samples.first; i < samples.end; i++) latest = Math.max(latest, end[i] as number)
  return latest
}

/** The samples whose labels were finished, and the embargo over, before an instant. */
export const finishedBefore = (
  { end }: LabelSpans,
  samples: IndexRange,
  instant: number,
  embargoMs: number
): Uint32Array => {
  const kept: Array<number> = []
  for (let i = samples.first; i < samples.end; i++) {
    if ((end[i] as number) + embargoMs < instant) kept.push(i)
  }
  return Uint32Array.from(kept)
}

/**
 * The samples that may train beside tests, rising: none of a test, none whose label touches that of a test, and after
 * each test none that begins before the embargo is over. `tests` are apart and in time order.
 */
export const purgedTraining = (
  spans: LabelSpans,
  tests: ReadonlyArray<IndexRange>,
  embargoMs: number
): Uint32Array => {
  const { start, end } = spans
  const kept: Array<number> = []
  let free = Number.NEGATIVE_INFINITY
  let first = 0
  for (const test of [...tests, { first: start.length, end: start.length }]) {
    const testStart = start[test.first] ?? Number.POSITIVE_INFINITY
    for (let i = first; i < test.first; i++) {
      if ((start[i] as number) > free && (end[i] as number) < testStart) kept.push(i)
    }
    free = Math.max(free, latestEnd(spans, test) + embargoMs)
    first = test.end
  }
  return Uint32Array.from(kept)
}

export const checkEmbargo = (embargoMs: number): void => {
  if (embargoMs >= 0 && Number.isFinite(embargoMs)) return
  throw new EvaluationInvalid({ part: "the embargo", reason: `is ${embargoMs} ms` })
}
