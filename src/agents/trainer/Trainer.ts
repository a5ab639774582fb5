/**
 * The node's side of its trainer: bars in, a version out, with what happens told meanwhile. The process is there for one
 * training and ends with it, or with the interest in it.
 *
 * What can go wrong: TrainingNotDone says why it came to nothing: the bars, the network, the training, or the process.
 */
import { Effect, Redacted, Schema } from "effect"
import { TrainingNotDone } from "../../protocols/errors.ts"
import type { TrainingEvent } from "../../protocols/Prediction.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { Programs } from "../Programs.ts"
import { Settings } from "../Settings.ts"
import { encodeBars, type TrainerAnswer, type TrainerHeader, trainerKind } from "./frames.ts"
import type { BarsTraining } from "./trainOnBars.ts"

const memoryBytesMax = 4 * 2 ** 30
/** It answers within a second, unless the machine is very busy or a graph takes long to build. */
const requestMsMax = 120_000

/** It has no business with where messages go. */
const settingsFor = (settings: Settings): typeof Settings.Encoded =>
  Schema.encodeSync(Settings)({ ...settings, bus: { ...settings.bus, url: Redacted.make("") } })

export const trainInProcess = (
  {
    asOf,
    folder,
    model,
    programs,
    series,
    settings,
    timeFrame
  }: Omit<BarsTraining, "programs"> & {
    readonly programs: typeof Programs.Service
  },
  tell: (event: TrainingEvent) => Effect.Effect<unknown>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const failed = (reason: string) => new TrainingNotDone({ model, reason: truncateReason(reason) })
      const child = yield* ChildProcess.start({
        name: "trainer",
        script: programs.trainer,
        isBeside: true,
        memoryBytesMax,
        requestMsMax,
        requestsMax: 4
      })
      const { body, instruments } = encodeBars(series)
      const { modelHost, trainingHost } = programs
      const header: TrainerHeader = {
        model,
        timeFrame,
        asOf,
        settings: settingsFor(settings),
        folder,
        programs: { modelHost, trainingHost },
        instruments
      }
      yield* child.request(trainerKind.train, header, body)
      for (;;) {
        const answer = yield* child.request(trainerKind.next, null)
        const { events, outcome } = answer.header as TrainerAnswer
        yield* Effect.forEach(events, tell, { discard: true })
        if (outcome === null) continue
        if ("failed" in outcome) return yield* failed(outcome.failed)
        return { made: outcome.made, artefact: answer.body.slice() }
      }
    })
  ).pipe(
    Effect.catchTag(
      "ChildFailed",
      ({ reason }) => new TrainingNotDone({ model, reason: truncateReason(reason) })
    )
  )
