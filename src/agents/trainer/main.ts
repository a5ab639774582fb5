/**
 * The trainer: a child process that makes one network of bars. What it takes to prepare and to judge one holds a thread
 * for longer than a node may be held; the training itself is in a process of its own again, which can be killed without
 * losing more than an epoch. It gives way to whoever answers questions on the same machine, and ends when its pipe does.
 */
import { Socket } from "node:net"
import { Effect, Either, Logger, LogLevel, Schedule, Schema } from "effect"
import type { TrainingEvent } from "../../protocols/Prediction.ts"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import { Settings } from "../Settings.ts"
import { decodeBars, type TrainerAnswer, type TrainerHeader, trainerKind } from "./frames.ts"
import { trainOnBars } from "./trainOnBars.ts"

const heartbeatEveryMs = 250
/** Beats after which an answer comes though nothing has happened. */
const answerAfterBeats = 4
/** Of events that nobody asks for the oldest go. */
const eventsMax = 1_024

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()

const events: Array<TrainingEvent> = []
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

const tell = (event: TrainingEvent) => {
  // Of progress there is news all the time.
  if (event._tag === "Progress" && events.at(-1)?._tag === "Progress") events.pop()
  events.push(event)
  if (events.length > eventsMax) events.shift()
  if (event._tag !== "Progress") answer()
}

const decodeSettings = Schema.decodeUnknown(Settings)

const begin = (header: TrainerHeader, body: Uint8Array) =>
  Effect.gen(function* () {
    const settings = yield* decodeSettings(header.settings)
    const series = decodeBars(header, body)
    if (Either.isLeft(series)) return { header: { failed: series.left } }
    const { artefact, made } = yield* trainOnBars({ ...header, settings, series: series.right }, (event) =>
      Effect.sync(() => tell(event))
    )
    return { header: { made }, body: artefact }
  }).pipe(
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

const handle = ({ body, header, id, kind }: Frame) => {
  switch (kind) {
    case trainerKind.train:
      if (isBegun) return refuse(id, "it has a training already")
      isBegun = true
      Effect.runFork(begin(header as TrainerHeader, body))
      return send({ kind: frameKind.answer, id })
    case trainerKind.next:
      waiting = id
      return outcome === undefined && events.length === 0 ? undefined : answer()
    default:
      return refuse(id, `no frame of kind ${kind} is known`)
  }
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
