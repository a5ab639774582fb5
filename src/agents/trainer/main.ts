/**
 * The trainer: a child process that makes one network or one policy of bars, or judges a policy. What it takes to prepare and
 * to judge one holds a thread for longer than a node may be held; what runs graphs is in a process of its own again, and that of
 * a network can be killed without losing more than an epoch. It gives way to whoever answers questions on the same machine, and ends when its pipe does.
 */
import { Socket } from "node:net"
import { Effect, Logger, LogLevel, Schedule, Schema } from "effect"
import type { TrainingEvent } from "../../protocols/Prediction.ts"
import type { PolicyTrainingEvent } from "../../protocols/Strategy.ts"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { Settings } from "../Settings.ts"
import { evaluatePolicy } from "../training/policies/evaluatePolicy.ts"
import { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import { trainPolicy } from "../training/policies/trainPolicy.ts"
import {
  type BarsHeader,
  decodeBars,
  type PolicyEvaluatorHeader,
  type PolicyTrainerHeader,
  type TrainerAnswer,
  type TrainerHeader,
  trainerKind
} from "./frames.ts"
import { trainOnBars } from "./trainOnBars.ts"

const heartbeatEveryMs = 250
/** Beats after which an answer comes though nothing has happened. */
const answerAfterBeats = 4
/** Of events that nobody asks for the oldest go. */
const eventsMax = 1_024

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()

type Told = TrainingEvent | PolicyTrainingEvent
const events: Array<Told> = []
let outcome:
  | { readonly header: NonNullable<TrainerAnswer["outcome"]>; readonly body?: Uint8Array }
  | undefined
/** The request that waits for what will happen. */
let waiting: number | undefined
let beats = 0
let isBegun = false

const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))
const refuse = (id: number, reason: string) => send({ kind: frameKind.refusal, id, header: { reason } })

const answer = () => {
  if (waiting === undefined) return
  const header: TrainerAnswer = { events: events.splice(0), outcome: outcome?.header ?? null }
  const id = waiting
  waiting = undefined
  beats = 0
  send({ kind: frameKind.answer, id, header, ...(outcome?.body === undefined ? {} : { body: outcome.body }) })
}

const push = (event: Told) => {
  events.push(event)
  if (events.length > eventsMax) events.shift()
}

/** Of a network's progress there is news all the time, and the latest does. */
const tellOfNetwork = (event: TrainingEvent) => {
  const isProgress = event._tag === "Progress"
  if (isProgress && events.at(-1)?._tag === "Progress") events.pop()
  push(event)
  if (!isProgress) answer()
}

/** Of a policy's every event counts: each has episodes of its own. */
const tellOfPolicy = (event: PolicyTrainingEvent) => {
  push(event)
  answer()
}

const decodeSettings = Schema.decodeUnknown(Settings)
const decodePolicy = Schema.decodeUnknown(TrainedPolicy)

interface Done {
  readonly made: unknown
  readonly artefact?: Uint8Array
}
type Task = Effect.Effect<Done, { readonly message: string }>

/** The bars of a body, or why there are none. */
const seriesOf = (header: BarsHeader, body: Uint8Array) =>
  Effect.mapError(decodeBars(header, body), (message) => ({ message }))

const panelOf = (header: BarsHeader, body: Uint8Array) =>
  Effect.flatMap(seriesOf(header, body), ([first, ...rest]) =>
    first === undefined
      ? Effect.fail({ message: "There are no bars." })
      : Effect.succeed([first, ...rest] as const)
  )

const trainNetworkTask = (header: TrainerHeader, body: Uint8Array): Task =>
  Effect.gen(function* () {
    const settings = yield* decodeSettings(header.settings)
    const series = yield* seriesOf(header, body)
    return yield* trainOnBars({ ...header, settings, series }, (event) =>
      Effect.sync(() => tellOfNetwork(event))
    )
  })

const trainPolicyTask = (header: PolicyTrainerHeader, body: Uint8Array): Task =>
  Effect.gen(function* () {
    const settings = yield* decodeSettings(header.settings)
    const series = yield* panelOf(header, body)
    const script = header.programs.modelHost
    const { hostMemoryBytesMax: memoryBytesMax, runMsMax } = settings.models
    return yield* trainPolicy(
      { ...header, script, settings, series },
      { script, memoryBytesMax, runMsMax },
      (event) => Effect.sync(() => tellOfPolicy(event))
    )
  })

const evaluatePolicyTask = (header: PolicyEvaluatorHeader, body: Uint8Array): Task =>
  Effect.gen(function* () {
    const trained = yield* decodePolicy(header.trained)
    const series = yield* panelOf(header, body)
    const judged = yield* stepwise(evaluatePolicy({ ...header, trained, series }))
    return { made: yield* Effect.mapError(judged, (message) => ({ message })) }
  })

const begin = (task: Task) =>
  task.pipe(
    Effect.map(({ artefact, made }) => ({
      header: { made },
      ...(artefact === undefined ? {} : { body: artefact })
    })),
    Effect.catchAll((error) => Effect.succeed({ header: { failed: error.message } })),
    Effect.catchAllDefect((defect) => Effect.succeed({ header: { failed: String(defect) } })),
    Effect.flatMap((ended) =>
      Effect.sync(() => {
        outcome = ended
        answer()
      })
    ),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

const taskOf = ({ body, header, kind }: Frame): Task | undefined => {
  switch (kind) {
    case trainerKind.train:
      return trainNetworkTask(header as TrainerHeader, body)
    case trainerKind.trainPolicy:
      return trainPolicyTask(header as PolicyTrainerHeader, body)
    case trainerKind.evaluatePolicy:
      return evaluatePolicyTask(header as PolicyEvaluatorHeader, body)
    default:
      return undefined
  }
}

const handle = (frame: Frame) => {
  const { id, kind } = frame
  if (kind === trainerKind.next) {
    waiting = id
    return outcome === undefined && events.length === 0 ? undefined : answer()
  }
  const task = taskOf(frame)
  if (task === undefined) return refuse(id, `no frame of kind ${kind} is known`)
  if (isBegun) return refuse(id, "it has a task already")
  isBegun = true
  Effect.runFork(begin(task))
  return send({ kind: frameKind.answer, id })
}

pipe.on("data", (chunk) => {
  for (const frame of reader.push(chunk)) handle(frame)
})
pipe.on("close", () => process.exit(0))
pipe.on("error", () => process.exit(0))
const beat = Effect.sync(() => {
  send({ kind: frameKind.heartbeat, id: 0, header: { residentBytes: process.memoryUsage.rss() } })
  beats++
  if (events.length > 0 || beats >= answerAfterBeats) answer()
})
Effect.runFork(Effect.repeat(beat, Schedule.spaced(heartbeatEveryMs)))
send({ kind: frameKind.ready, id: 0 })
