/**
 * Whether a compressed model may take the place of the one it was made of: size, latency, and what it costs on held-out
 * rows, with one verdict.
 *
 * It is refused unless everything was measured on the same rows, the mean loss (or the share of wrong answers) grows by
 * no more than the stated bound, neither latency grows past its bound, and something worth having is gained: bytes, or time
 * at one of the batch sizes. Where an interval of the loss difference is given (`pairedBlockBootstrap`), its upper end must keep
 * the bound and not the mean alone.
 *
 * What can go wrong: latencies are the caller's to measure; on a machine that does other work meanwhile they are a
 * rehearsal, which `conditions` is there to say.
 * Invariants: pure; losses are lower for better; a refusal always has its reason, and a measurement that is missing or
 * not finite always refuses.
 */
import { Either } from "effect"
import type { DifferenceInterval } from "../evaluation/BlockBootstrap.ts"
import { mean } from "../evaluation/Scoring.ts"
import { ReplacementRefused } from "./errors.ts"

export interface ModelMeasures {
  readonly name: string
  /** Of the file. */
  readonly bytes: number
  /** Of one run, by its rows. */
  readonly latencyMs: Readonly<Record<"rows1" | "rows64", number>>
  /** One per held-out row, lower for better: a loss, or 1 where the answer was wrong and 0 where it was right. */
  readonly losses: ArrayLike<number>
}

export interface CompressionBounds {
  /** How much the mean loss may grow; 0.01 of wrong answers is one percentage point of accuracy. */
  readonly lossIncreaseMax: number
  /** How many times as long a run may take, at either batch size; without it, as long as it likes. */
  readonly latencyTimesMax?: number
  /** The least share of the bytes, or of a latency, that must be saved; `gainMinDefault` unless said otherwise. */
  readonly gainMin?: number
  /** Fewer held-out rows show nothing. */
  readonly rowsMin?: number
}

export const rowsMinDefault = 100
/** On a machine that does nothing else two measurements of one model differ by less; on a busy one they may not. */
export const gainMinDefault = 0.1

export interface CompressionCase {
  readonly before: ModelMeasures
  readonly after: ModelMeasures
  /** What a loss is: "log loss", "share of wrong answers". */
  readonly lossName: string
  readonly bounds: CompressionBounds
  /** Of the mean loss after less that before, over the same rows. */
  readonly interval?: DifferenceInterval
  /** Under which latencies were measured. */
  readonly conditions?: string
}

export interface CompressionJudgement extends CompressionCase {
  /** Held-out rows that both were judged on; 0 where they cannot be compared. */
  readonly rows: number
  readonly lossBefore: number
  readonly lossAfter: number
  /** Above 0 for worse. */
  readonly lossIncrease: number
  readonly verdict: Either.Either<"replace", ReplacementRefused>
}

const latencies = [
  ["rows1", "latency at batch 1"],
  ["rows64", "latency at batch 64"]
] as const

const digits = 4
const show = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString("en-US") : value.toPrecision(digits)

/** Why the measurements say nothing; undefined where they do. */
const unmeasured = ({ after, before, bounds, interval }: CompressionCase): string | undefined => {
  const { lossIncreaseMax, rowsMin = rowsMinDefault } = bounds
  if (!(lossIncreaseMax >= 0 && Number.isFinite(lossIncreaseMax))) {
    return `the bound of ${lossIncreaseMax} is none`
  }
  if (before.losses.length !== after.losses.length) {
    return `it has ${after.losses.length} losses beside ${before.losses.length}`
  }
  if (after.losses.length < rowsMin) return `at least ${rowsMin} rows are needed`
  for (const { bytes, latencyMs, losses, name } of [before, after]) {
    if (!(bytes > 0 && Number.isFinite(bytes))) return `"${name}" has a size of ${bytes} bytes`
    for (const [rows, what] of latencies) {
      const measured = latencyMs[rows]
      if (!(measured > 0 && Number.isFinite(measured))) return `the ${what} of "${name}" is ${measured} ms`
    }
    for (let row = 0; row < losses.length; row++) {
      if (!Number.isFinite(losses[row])) return `row ${row} of "${name}" has a loss of ${losses[row]}`
    }
  }
  const ends = interval === undefined ? [] : [interval.low, interval.mean, interval.high]
  return ends.every(Number.isFinite) ? undefined : "the interval is not finite"
}

export const judgeCompression = (given: CompressionCase): CompressionJudgement => {
  const { after, before, bounds, interval, lossName } = given
  const rows = before.losses.length === after.losses.length ? after.losses.length : 0
  const lossBefore = mean(Array.from(before.losses))
  const lossAfter = mean(Array.from(after.losses))
  // Of the differences, so that with answers that are counted no rounding decides.
  const lossIncrease = mean(
    Array.from({ length: rows }, (_, row) => (after.losses[row] as number) - (before.losses[row] as number))
  )
  const refuse = (because: ReplacementRefused["because"], reason: string) =>
    Either.left(new ReplacementRefused({ candidate: after.name, because, rows, reason }))
  const verdictOf = (): CompressionJudgement["verdict"] => {
    const missing = unmeasured(given)
    if (missing !== undefined) return refuse("unmeasured", missing)
    const { lossIncreaseMax } = bounds
    if (!(lossIncrease <= lossIncreaseMax)) {
      const by = `the ${lossName} grows by ${show(lossIncrease)}`
      return refuse("worse", `${by}, more than the ${show(lossIncreaseMax)} allowed`)
    }
    if (interval !== undefined && !(interval.high <= lossIncreaseMax)) {
      const by = `the ${lossName} may grow by up to ${show(interval.high)}`
      return refuse("worse", `${by}, more than the ${show(lossIncreaseMax)} allowed`)
    }
    const { latencyTimesMax = Number.POSITIVE_INFINITY } = bounds
    for (const [at, name] of latencies) {
      const times = after.latencyMs[at] / before.latencyMs[at]
      if (times <= latencyTimesMax) continue
      return refuse(
        "slower",
        `the ${name} is ${show(times)} times that before, above ${show(latencyTimesMax)}`
      )
    }
    const most = 1 - (bounds.gainMin ?? gainMinDefault)
    const isFaster = latencies.some(([at]) => after.latencyMs[at] <= most * before.latencyMs[at])
    if (after.bytes <= most * before.bytes || isFaster) return Either.right("replace")
    return refuse(
      "no gain",
      `neither its bytes nor its latencies are ${show(most)} times those before, or less`
    )
  }
  return { ...given, rows, lossBefore, lossAfter, lossIncrease, verdict: verdictOf() }
}

/** Plain text: before, after and the change of each measure, and the verdict. */
export const renderJudgement = (judgement: CompressionJudgement): string => {
  const { after, before, bounds, conditions, interval, lossAfter, lossBefore, lossIncrease, lossName } =
    judgement
  const times = (from: number, to: number) => `${show(to / from)} times`
  const rows: ReadonlyArray<readonly [string, string, string, string]> = [
    ["measure", before.name, after.name, "change"],
    ["bytes", show(before.bytes), show(after.bytes), times(before.bytes, after.bytes)],
    ...latencies.map(([at, name]): readonly [string, string, string, string] => {
      const [from, to] = [before.latencyMs[at], after.latencyMs[at]]
      return [`${name}, ms`, show(from), show(to), times(from, to)]
    }),
    [lossName, show(lossBefore), show(lossAfter), `${lossIncrease > 0 ? "+" : ""}${show(lossIncrease)}`]
  ]
  const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => (row[i] as string).length)))
  const table = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join("  ")
      .trimEnd()
  )
  const between =
    interval === undefined ? "" : `, which lies between ${show(interval.low)} and ${show(interval.high)}`
  const held = `Over ${judgement.rows} held-out rows; it may grow by ${show(bounds.lossIncreaseMax)}${between}.`
  const verdict = Either.match(judgement.verdict, {
    onLeft: ({ reason }) => `Refused: ${reason}.`,
    onRight: () => `"${after.name}" may take the place of "${before.name}".`
  })
  return [...table, held, ...(conditions === undefined ? [] : [`Latencies: ${conditions}.`]), verdict].join(
    "\n"
  )
}
