/**
 * The node's side of its trainer: bars in, a version out (or what a policy comes to), with what happens told meanwhile. The
 * process is there for one task and ends with it, or with the interest in it.
 *
 * What can go wrong: TrainingNotDone says why it came to nothing: the bars, the network, the training, or the process.
 */
import { Effect, Redacted, Schema } from "effect"
import { TrainingNotDone } from "../../protocols/errors.ts"
import type { TrainingEvent } from "../../protocols/Prediction.ts"
import type { PolicyTrainingEvent } from "../../protocols/Strategy.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { Programs } from "../Programs.ts"
import { Settings } from "../Settings.ts"
import type { EvaluationTask, PolicyJudgement } from "../training/policies/evaluatePolicy.ts"
import { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { PolicyTraining } from "../training/policies/trainPolicy.ts"
import {
  encodeBars,
  type Made,
  type PolicyEvaluatorHeader,
  type PolicyTrainerHeader,
  type TrainerAnswer,
  type TrainerHeader,
  trainerKind
} from "./frames.ts"
import type { BarsTraining } from "./trainOnBars.ts"

const memoryBytesMax = 4 * 2 ** 30
/** It answers within a second, unless the machine is very busy or a graph takes long to build. */
const requestMsMax = 120_000

/** It has no business with where messages go. */
const settingsFor = (settings: Settings): typeof Settings.Encoded =>
  Schema.encodeSync(Settings)({ ...settings, bus: { ...settings.bus, url: Redacted.make("") } })

interface Task {
  /** For messages. */
  readonly model: string
  readonly kind: number
  readonly header: unknown
  readonly body: Uint8Array
  /** The trainer's program. */
  readonly script: string
}

/** One task in a process of its own: what it tells meanwhile, and what it comes to. */
const inProcess = <Event, Result>(
  { body, header, kind, model, script }: Task,
  tell: (event: Event) => Effect.Effect<unknown>
): Effect.Effect<{ readonly made: Result; readonly artefact: Uint8Array }, TrainingNotDone> => {
  const notDone = (reason: string) => new TrainingNotDone({ model, reason: truncateReason(reason) })
  return Effect.gen(function* () {
    const child = yield* ChildProcess.start({
      name: "trainer",
      script,
      isBeside: true,
      memoryBytesMax,
      requestMsMax,
      requestsMax: 4
    })
    yield* child.request(kind, header, body)
    for (;;) {
      const answer = yield* child.request(trainerKind.next, null)
      const { events, outcome } = answer.header as TrainerAnswer<Event, Result>
      yield* Effect.forEach(events, tell, { discard: true })
      if (outcome === null) continue
      if ("failed" in outcome) return yield* notDone(outcome.failed)
      return { made: outcome.made, artefact: answer.body.slice() }
    }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ChildFailed", ({ reason }) => notDone(reason))
  )
}

type Given<A> = Omit<A, "programs"> & { readonly programs: typeof Programs.Service }

export const trainInProcess = (
  { asOf, folder, model, programs, series, settings, timeFrame }: Given<BarsTraining>,
  tell: (event: TrainingEvent) => Effect.Effect<unknown>
) => {
  const { body, instruments } = encodeBars(series)
  const { modelHost, trainer, trainingHost } = programs
  const header: TrainerHeader = {
    ...{ model, timeFrame, asOf, folder, instruments },
    settings: settingsFor(settings),
    programs: { modelHost, trainingHost }
  }
  const task = { model, kind: trainerKind.train, header, body, script: trainer }
  return inProcess<TrainingEvent, Made>(task, tell)
}

/** A policy of bars, in the same way. */
export const trainPolicyInProcess = (
  { programs, series, settings, ...training }: Given<Omit<PolicyTraining, "script">>,
  tell: (event: PolicyTrainingEvent) => Effect.Effect<unknown>
) => {
  const { body, instruments } = encodeBars(series)
  const { modelHost, trainer } = programs
  const header: PolicyTrainerHeader = {
    ...training,
    instruments,
    settings: settingsFor(settings),
    programs: { modelHost }
  }
  const task = { model: training.algorithm, kind: trainerKind.trainPolicy, header, body, script: trainer }
  return inProcess<PolicyTrainingEvent, Made>(task, tell)
}

/** What a policy would have come to, found in a process of its own as well. */
export const evaluatePolicyInProcess = ({
  instrument,
  programs,
  seed,
  series,
  trained
}: Given<EvaluationTask>) => {
  const { body, instruments } = encodeBars(series)
  const { algorithm, timeFrame } = trained
  const header: PolicyEvaluatorHeader = {
    ...{ instrument, instruments, seed, timeFrame },
    trained: Schema.encodeSync(TrainedPolicy)(trained)
  }
  const task = { model: algorithm, kind: trainerKind.evaluatePolicy, header, body, script: programs.trainer }
  return Effect.map(
    inProcess<never, PolicyJudgement>(task, () => Effect.void),
    ({ made }) => made
  )
}
