/**
 * `conclave train`: bars in, the artefact of a network out, with its checksum and its report beside it. What is wrong
 * with the data or the network is said before any time is spent; stopped or broken off, the same command goes on from the
 * last epoch.
 */
import { rmSync } from "node:fs"
import { resolve } from "node:path"
import { Clock, Effect, Stream } from "effect"
import { appendTrial } from "../agents/backtest/TrialLedger.ts"
import { writeModelFile } from "../agents/training/ModelFile.ts"
import { chooseNetwork, type NetworkChoice } from "../agents/training/NetworkChoice.ts"
import { type Bars, readBars } from "../agents/training/readBars.ts"
import { trialFolder } from "../agents/training/trainingTrial.ts"
import { finish, learn, type Prepared, prepare } from "../agents/training/trainNetwork.ts"
import type { TrainingHostEvent } from "../agents/training-host/TrainingHost.ts"
import { writeWhole } from "../agents/training-host/wholeFile.ts"
import { networkLimits } from "../learning/networks/NetworkSpec.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import { lockDirectory } from "../runtime/DirectoryLock.ts"
import { monotonicMs } from "../runtime/MonotonicClock.ts"
import { UsageError } from "./errors.ts"
import { duration, progressBar } from "./format.ts"
import { note, writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import { renderHeldOut, verdictsOf } from "./report/comparisons.ts"
import { renderTrainingReport } from "./report/TrainingReport.ts"
import type { LoadedSettings } from "./settings.ts"
import { trainedTrial } from "./trials.ts"

export interface TrainOptions extends NetworkChoice {
  readonly data: string
  readonly timeFrame?: TimeFrame
  readonly horizon?: number
  readonly output?: string
  readonly json: boolean
}

export const horizonBarsMax = 10_000
const epochsMax = 100_000
const batchRowsMax = 65_536
const barWidth = 24
const lineChars = 120

const within = (name: string, value: number | undefined, most: number, isWhole = true) =>
  value === undefined || (value > 0 && value <= most && (!isWhole || Number.isInteger(value)))
    ? Effect.void
    : new UsageError({ reason: `${name} ${value} is not between ${isWhole ? 1 : 0} and ${most}.` })

const checkOptions = ({ batchRows, epochs, horizon, layers, length, patience, rate, width }: TrainOptions) =>
  Effect.all([
    within("--horizon", horizon, horizonBarsMax),
    within("--epochs", epochs, epochsMax),
    within("--patience", patience, epochsMax),
    within("--batch", batchRows, batchRowsMax),
    within("--rate", rate, 1, false),
    within("--length", length, networkLimits.length),
    within("--layers", layers, networkLimits.layers),
    within("--width", width, networkLimits.width)
  ])

/** What the artefact is called unless the command says so. */
const outputOf = ({ model, output }: TrainOptions, { instruments, timeFrame }: Bars): string => {
  if (output !== undefined) return resolve(output)
  const [first] = instruments
  const what = instruments.length === 1 ? first?.instrument.symbol : `${instruments.length}-instruments`
  return resolve(`${model}-${what?.replace(/[^A-Za-z0-9._-]/g, "-")}-${timeFrame}.onnx`)
}

const leftOf = (secondsLeft: number | null) =>
  secondsLeft === null ? "" : `, at most ${duration(secondsLeft)} left`

/** Shows how far it is: one line that changes on a terminal, a line an epoch elsewhere. */
const showProgress = ({ network }: Prepared) => {
  const isTerminal = process.stderr.isTTY === true
  const { epochsMax: epochs } = network.spec
  const clear = isTerminal ? "\r\u001b[2K" : ""
  const draw = (text: string) => Effect.sync(() => void process.stderr.write(`${clear}${text}`))
  const say = (text: string) => draw(`conclave: ${text}\n`)
  let validation = ""
  return (event: TrainingHostEvent): Effect.Effect<void> => {
    switch (event.type) {
      case "started": {
        const { checkpoint, epoch, parameters, trainingRows, validationRows } = event
        if (checkpoint === "resumed") return say(`goes on after epoch ${epoch}`)
        return say(
          `${parameters} parameters, ${trainingRows} rows to train on, ${validationRows} to validate on`
        )
      }
      case "progress": {
        if (!isTerminal) return Effect.void
        const { batch, batches, epoch, loss, secondsLeft } = event
        const bar = progressBar((epoch + batch / batches) / epochs, barWidth)
        const line = `epoch ${epoch + 1}/${epochs} ${bar} loss ${loss.toFixed(4)}${validation}${leftOf(secondsLeft)}`
        // A line that wraps could not be taken back.
        return draw(line.slice(0, (process.stderr.columns ?? lineChars) - 1))
      }
      case "epoch": {
        const { epoch, isBest, secondsLeft, trainingLoss, validationLoss } = event
        validation = `, validation ${validationLoss.toFixed(4)}`
        if (isTerminal) return Effect.void
        const best = isBest ? " (the best)" : ""
        return say(
          `epoch ${epoch + 1}/${epochs}: loss ${trainingLoss.toFixed(4)}${validation}${best}${leftOf(secondsLeft)}`
        )
      }
      case "died":
        return say(`the process that trains has died (${event.reason}): restart ${event.restarts}`)
    }
  }
}

const reasons = {
  epochs: "all epochs done",
  patience: "validation had not become better for a while",
  diverged: "the loss was no number any more; the best epoch before is kept",
  cancelled: "stopped"
} as const

export const train = ({ value: settings }: LoadedSettings, options: TrainOptions) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    yield* checkOptions(options)
    const network = yield* chooseNetwork(options, settings)
    const scripts = yield* builtScripts
    const bars = yield* readBars(options.data, settings, options.timeFrame)
    const output = outputOf(options, bars)
    yield* checkOutput(output, [options.data])
    const horizonBars = options.horizon ?? settings.orchestrator.horizonBars
    const prepared = yield* prepare(bars, network, horizonBars, settings)

    const folder = `${output}.training`
    yield* lockDirectory(folder, `process ${process.pid}`).pipe(
      Effect.catchTag(
        "DirectoryLocked",
        ({ holder }) => new UsageError({ reason: `${output} is being trained already, by ${holder}.` })
      )
    )
    let epochs = 0
    const show = showProgress(prepared)
    const learned = yield* Effect.scoped(
      Effect.gen(function* () {
        const training = yield* learn(prepared, { folder, script: scripts.trainingHost })
        yield* Stream.runForEach(training.events, (event) => {
          if (event.type === "started") epochs = event.epoch
          if (event.type === "epoch") epochs = event.epoch + 1
          return show(event)
        })
        return yield* training.result
      })
    ).pipe(
      Effect.onInterrupt(() => {
        const afresh = process.stderr.isTTY === true ? "\n" : ""
        return note(`${afresh}conclave: stopped; the same command goes on after epoch ${epochs}`)
      })
    )
    if (process.stderr.isTTY === true) yield* note("")
    yield* note(`conclave: ${reasons[learned.reason]}; judging it on what was held out`)
    const trained = yield* finish(prepared, learned, modelHostOptions(settings, scripts))
    const { artefact, description, linearMissing, report } = trained
    if (linearMissing !== null) yield* note(`conclave: there is no linear baseline: ${linearMissing}`)
    const reportPath = `${output.replace(/\.onnx$/, "")}.html`
    const digest = yield* writeModelFile(output, artefact)
    const html = renderTrainingReport({
      digest,
      parameters: network.parameters,
      ended: reasons[learned.reason],
      model: description,
      heldOut: report
    })
    yield* writeWhole(reportPath, [Buffer.from(html)], 0o644)
    const knownTo = prepared.set.heldOut.labelEnd.reduce((latest, end) => Math.max(latest, end))
    const trial = trainedTrial(artefact, knownTo, yield* Clock.currentTimeMillis)
    yield* Effect.mapError(trial, (message) => ({ message })).pipe(
      Effect.flatMap((entry) => appendTrial(trialFolder(settings), entry)),
      Effect.catchAll(({ message }) =>
        note(`conclave: the model is there, and not entered as a trial: ${message}`)
      )
    )
    yield* Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    if (options.json) {
      return yield* writeJson({
        type: "training",
        model: options.model,
        output,
        digest,
        report: reportPath,
        parameters: network.parameters,
        ended: learned.reason,
        epochs: learned.history.length,
        restarts: learned.restarts,
        description,
        heldOut: report,
        verdicts: verdictsOf(report),
        wallTimeMs: Math.round(now() - startedAt)
      })
    }
    yield* writeLine(renderHeldOut(report))
    yield* writeLine(`\nmodel:  ${output}\nreport: ${reportPath}`)
  }).pipe(Effect.scoped)
