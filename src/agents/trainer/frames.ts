/**
 * What a node asks of its trainer: a network or a policy to make of bars, or a policy to judge on later ones, and then again
 * and again what has happened, until the outcome comes. Bars travel as bytes: of each instrument its columns one after the other, float64, little endian; a
 * close-only series has times and closes alone.
 */
import { Either } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { NetworkModel } from "../../protocols/Prediction.ts"
import type { PolicyAlgorithm } from "../../protocols/Strategy.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type { Settings } from "../Settings.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { Fitted } from "../voter/Learner.ts"

export const trainerKind = { train: 16, next: 17, trainPolicy: 18, evaluatePolicy: 19 } as const

/** Bars of all instruments together: some 48 MB. */
export const trainerBarsMax = 1_000_000

/** What the bars of the body are. */
export interface BarsHeader {
  readonly timeFrame: TimeFrame
  readonly instruments: ReadonlyArray<{
    readonly instrument: Instrument
    readonly bars: number
    readonly closeOnly: boolean
    readonly hasVolume: boolean
  }>
}

export interface TrainerHeader extends BarsHeader {
  readonly model: NetworkModel
  readonly asOf: number
  readonly settings: typeof Settings.Encoded
  /** Where files are kept while it goes on. */
  readonly folder: string
  readonly programs: { readonly modelHost: string; readonly trainingHost: string }
}

export interface PolicyTrainerHeader extends BarsHeader {
  readonly algorithm: PolicyAlgorithm
  readonly asOf: number
  readonly steps: number
  readonly seed: number
  readonly settings: typeof Settings.Encoded
  readonly programs: { readonly modelHost: string }
}

export interface PolicyEvaluatorHeader extends BarsHeader {
  readonly trained: typeof TrainedPolicy.Encoded
  /** Id of the instrument that it is judged on. */
  readonly instrument: string
  readonly seed: number
}

/** What was made, and how it stands beside the voter that there is and the base rate. The artefact is the body. */
export interface Made extends Omit<Fitted, "artefact"> {
  /** Whether the 95% intervals of its loss differences to both exclude zero. */
  readonly isBetter: boolean
  readonly heldOutFrom: number
}

/** Events and what was made are those of what was asked for. */
export interface TrainerAnswer<Event = unknown, Result = unknown> {
  readonly events: ReadonlyArray<Event>
  readonly outcome: null | { readonly made: Result } | { readonly failed: string }
}

const names = ({ closeOnly, hasVolume }: { readonly closeOnly: boolean; readonly hasVolume: boolean }) =>
  closeOnly
    ? (["openTime", "close"] as const)
    : ([
        ...(["openTime", "close", "open", "high", "low"] as const),
        ...(hasVolume ? (["volume"] as const) : [])
      ] as const)

const shapeOf = ({ close, closeOnly, instrument, volume }: BarSeries) => ({
  instrument,
  bars: close.length,
  closeOnly,
  hasVolume: volume !== null
})

export const encodeBars = (
  series: ReadonlyArray<BarSeries>
): { readonly instruments: BarsHeader["instruments"]; readonly body: Uint8Array } => {
  const instruments = series.map(shapeOf)
  const columns = series.flatMap((one, i) =>
    names(instruments[i] as BarsHeader["instruments"][number]).map((name) => one[name] ?? new Float64Array())
  )
  const parts = columns.map((column) => new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  return { instruments, body: Buffer.concat(parts) }
}

/** The left says what is wrong. */
export const decodeBars = (
  { instruments, timeFrame }: BarsHeader,
  body: Uint8Array
): Either.Either<ReadonlyArray<BarSeries>, string> => {
  const numbers = instruments.reduce((sum, one) => sum + one.bars * names(one).length, 0)
  if (body.byteLength !== 8 * numbers)
    return Either.left(`${body.byteLength} bytes of bars, not ${8 * numbers}`)
  let at = 0
  return Either.right(
    instruments.map((one): BarSeries => {
      const columns = new Map(
        names(one).map((name) => {
          const column = new Float64Array(one.bars)
          Buffer.from(column.buffer).set(body.subarray(at, at + 8 * one.bars))
          at += 8 * one.bars
          return [name, column] as const
        })
      )
      const close = columns.get("close") as Float64Array
      const prices = (name: "open" | "high" | "low") => columns.get(name) ?? close
      return {
        instrument: one.instrument,
        timeFrame,
        openTime: columns.get("openTime") as Float64Array,
        open: prices("open"),
        high: prices("high"),
        low: prices("low"),
        close,
        volume: columns.get("volume") ?? null,
        closeOnly: one.closeOnly,
        gaps: 0,
        barsMissing: 0
      }
    })
  )
}
