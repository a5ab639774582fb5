/**
 * A network from the bars that the context has kept. They are gathered here, and everything that is made of them is made
 * in a process of its own: nothing of it runs where answers are given.
 *
 * What can go wrong: the context does not answer; the trainer says why it came to nothing (TrainingNotDone).
 * Invariant: only bars that closed by the as-of go in.
 */
import { join } from "node:path"
import { Effect } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { NetworkModel, TrainingEvent } from "../../protocols/Prediction.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type { Programs } from "../Programs.ts"
import type { Settings } from "../Settings.ts"
import { trainerBarsMax } from "../trainer/frames.ts"
import { trainInProcess } from "../trainer/Trainer.ts"
import type { Fitted } from "../voter/Learner.ts"
import { type Context, type Haste, history } from "./history.ts"

export interface TrainingRequest {
  readonly model: NetworkModel
  readonly timeFrame: TimeFrame
  readonly asOf: number
}

export interface TrainingPlace {
  readonly settings: Settings
  readonly context: Context
  readonly instruments: ReadonlyArray<Instrument>
  /** Of the feed. */
  readonly own: TimeFrame
  readonly haste: Haste
  /** Its files are kept in there while it goes on. */
  readonly directory: string
  readonly programs: typeof Programs.Service
}

/** What was made, and how it stands beside the linear forecaster and the base rate. */
export interface HistoryTrained extends Fitted {
  /** Whether the 95% intervals of its loss differences to both exclude zero. */
  readonly isBetter: boolean
  readonly heldOut: { readonly instruments: ReadonlyArray<BarSeries>; readonly from: number }
}

export const trainOnHistory = (
  { context, directory, haste, instruments, own, programs, settings }: TrainingPlace,
  { asOf, model, timeFrame }: TrainingRequest,
  tell: (event: TrainingEvent) => Effect.Effect<unknown>
) =>
  Effect.gen(function* () {
    const count = Math.min(
      settings.deepLearning.trainBarsMax,
      Math.floor(trainerBarsMax / instruments.length)
    )
    const series = yield* Effect.forEach(instruments, (instrument) =>
      history(context, { instrument, own, timeFrame, asOf, corrected: true }, count, haste)
    )
    const folder = join(directory, "training", `${model}-${timeFrame}`)
    const { artefact, made } = yield* trainInProcess(
      { model, timeFrame, asOf, settings, folder, programs, series },
      tell
    )
    const { heldOutFrom, ...fitted } = made
    const trained: HistoryTrained = {
      ...fitted,
      artefact,
      heldOut: { instruments: series, from: heldOutFrom }
    }
    return trained
  })
