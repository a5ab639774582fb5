/**
 * A network from bars: trained in a process of its own, calibrated, judged on the latest part, described as the version
 * that the model manager takes in.
 *
 * What can go wrong: what is wrong with the bars or the network (before any time is spent), with the training or its
 * process: each comes back as it is.
 * Invariant: equal bars, settings and seeds make the same version.
 */
import { rmSync } from "node:fs"
import { Effect, Either, Stream } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { TrainingEvent } from "../../protocols/Prediction.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import type { Settings } from "../Settings.ts"
import { checkModel } from "../training/ModelFile.ts"
import { chooseNetwork } from "../training/NetworkChoice.ts"
import { networkManifestOf } from "../training/networkManifest.ts"
import { promotionOf } from "../training/promotion.ts"
import { finish, learn, prepare } from "../training/trainNetwork.ts"
import type { TrainingHostEvent } from "../training-host/TrainingHost.ts"
import { barsDigest } from "./barsDigest.ts"
import type { Made, TrainerHeader } from "./frames.ts"

const told = (event: TrainingHostEvent, epochs: number): TrainingEvent | undefined => {
  switch (event.type) {
    case "started":
      return undefined
    case "progress":
      return {
        _tag: "Progress",
        epoch: event.epoch,
        epochs,
        step: event.step,
        loss: event.loss,
        rate: event.rate,
        secondsLeft: event.secondsLeft
      }
    case "epoch":
      return {
        _tag: "Epoch",
        epoch: event.epoch,
        epochs,
        trainingLoss: event.trainingLoss,
        validationLoss: event.validationLoss,
        isBest: event.isBest
      }
    case "died":
      return { _tag: "Restarted", restarts: event.restarts, reason: truncateReason(event.reason) }
  }
}

export type BarsTraining = Omit<TrainerHeader, "settings" | "instruments"> & {
  readonly settings: Settings
  readonly series: ReadonlyArray<BarSeries>
}

export const trainOnBars = (
  { asOf, folder, model, programs, series, settings, timeFrame }: BarsTraining,
  tell: (event: TrainingEvent) => Effect.Effect<unknown>
) =>
  Effect.gen(function* () {
    const { deepLearning, models, orchestrator } = settings
    const { trainEpochs, trainPatience } = deepLearning
    const network = yield* chooseNetwork({ model, epochs: trainEpochs, patience: trainPatience }, settings)
    const bars = {
      path: "the history of the run",
      digest: barsDigest(series),
      timeFrame,
      instruments: series
    }
    const prepared = yield* prepare(bars, network, orchestrator.horizonBars, settings)
    const { heldOut, training, validation } = prepared.set
    yield* tell({
      _tag: "Prepared",
      model,
      timeFrame,
      asOf,
      parameters: network.parameters,
      trainingRows: training.rows,
      validationRows: validation.rows,
      heldOutRows: heldOut.rows
    })
    const result = yield* Effect.scoped(
      Effect.gen(function* () {
        const started = yield* learn(prepared, { folder, script: programs.trainingHost })
        yield* Stream.runForEach(started.events, (event) => {
          const what = told(event, trainEpochs)
          return what === undefined ? Effect.void : tell(what)
        })
        return yield* started.result
      })
    )
    const { artefact, description, report } = yield* finish(prepared, result, {
      script: programs.modelHost,
      memoryBytesMax: models.hostMemoryBytesMax,
      runMsMax: models.runMsMax
    })
    yield* Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    const promotion = promotionOf(report, { metric: "linear", name: "the linear forecaster" })
    const metrics = [...description.metrics, ...promotion.metrics]
    const checked = checkModel(artefact)
    const manifest = Either.isLeft(checked)
      ? undefined
      : networkManifestOf(checked.right, description, asOf, metrics)
    if (manifest === undefined)
      return yield* Effect.dieMessage(`the artefact of the ${model} cannot be read back`)
    const made: Made = {
      manifest,
      reason: truncateReason(`trained on ${manifest.data.rows} rows; ${promotion.verdict}`),
      isBetter: promotion.isBetter,
      heldOutFrom: description.data.heldOutFrom
    }
    return { made, artefact }
  })
