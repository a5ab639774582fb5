/**
 * How long models take for a question to their model host, from asking to the answer: one row, and 64. They are asked in
 * turns, so that what else the machine does meets all of them alike.
 *
 * What can go wrong: a model that cannot be asked (ModelFileUnfit).
 */
import { Effect } from "effect"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import type { OpinionBatch } from "../model-host/ModelHost.ts"
import type { ModelFileUnfit } from "./errors.ts"
import type { AskedRows } from "./learnedRows.ts"
import type { AskModel } from "./ModelRun.ts"

export interface Quantiles {
  readonly medianMs: number
  readonly p99Ms: number
  /** Questions that were measured. */
  readonly questions: number
}

export interface Latency {
  readonly rows1: Quantiles
  readonly rows64: Quantiles
}

const rowsTogether = 64
/** Of each model, at each size; fewer where they take too long. */
const questionsMax = 300
const questionsMin = 20
const measuredMsMax = 4_000
/** The first find nothing in the caches. */
const warmUpQuestions = 5

/** Held-out rows, from the first on, again where there are too few. */
const batchOf = ({ columns, fill, heldOut }: AskedRows, rows: number): OpinionBatch => {
  const features = new Float32Array(rows * columns)
  const places = Array.from({ length: rows }, (_, i) => i % heldOut.rows)
  places.forEach((row, i) => {
    fill(heldOut.instrument[row] as number, heldOut.bar[row] as number, features, i * columns)
  })
  const column = (values: Float64Array) => Float32Array.from(places, (row) => values[row] as number)
  return { rows, columns, features, sigma: column(heldOut.sigma), band: column(heldOut.band) }
}

/** Nearest rank. */
const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number

const measure = <Models extends ReadonlyArray<AskModel>>(models: Models, batch: OpinionBatch) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const times = models.map((): Array<number> => [])
    const endsAt = now() + measuredMsMax
    for (let done = -warmUpQuestions; done < questionsMax; done++) {
      if (done >= questionsMin && now() > endsAt) break
      for (const [i, ask] of models.entries()) {
        const askedAt = now()
        yield* ask(batch)
        if (done >= 0) times[i]?.push(now() - askedAt)
      }
    }
    return times.map((own): Quantiles => {
      const sorted = own.toSorted((a, b) => a - b)
      return { medianMs: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99), questions: sorted.length }
    })
  })

export const measureLatencies = (
  [first, second]: readonly [AskModel, AskModel],
  rows: AskedRows
): Effect.Effect<readonly [Latency, Latency], ModelFileUnfit> =>
  Effect.gen(function* () {
    const one = yield* measure([first, second], batchOf(rows, 1))
    const many = yield* measure([first, second], batchOf(rows, rowsTogether))
    const of = (i: number): Latency => ({ rows1: one[i] as Quantiles, rows64: many[i] as Quantiles })
    return [of(0), of(1)]
  })
