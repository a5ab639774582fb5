/**
 * The training host: a child process that trains one network after the other. What it learns from is a file, checked
 * against its digest; what it comes to goes back over the pipe. It gives way to whoever answers questions on the same
 * machine, and ends when its pipe does.
 */
import { Socket } from "node:net"
import { Effect, Schedule } from "effect"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { type HostEvent, type NextAnswer, type TrainHeader, trainingKind } from "./frames.ts"
import { openWithOnnxruntime } from "./onnxruntime.ts"
import { type Outcome, work } from "./work.ts"

const heartbeatEveryMs = 250
/** How long progress is gathered before it is told. */
const tellEveryMs = 100
/** An answer comes after so long though nothing has happened: whoever asks knows then that the process lives. */
const answerWithinMs = 1_000

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
const now = Effect.runSync(monotonicMs)

interface Work {
  readonly events: Array<HostEvent>
  outcome: Outcome | undefined
  isStopped: boolean
  /** The request that waits for what will happen. */
  waiting: number | undefined
  toldAt: number
}
let current: Work | undefined

const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))
const refuse = (id: number, reason: string) => send({ kind: frameKind.refusal, id, header: { reason } })

const answer = (one: Work) => {
  if (one.waiting === undefined) return
  const header: NextAnswer = { events: one.events.splice(0), outcome: one.outcome?.header ?? null }
  const id = one.waiting
  one.waiting = undefined
  one.toldAt = now()
  const body = one.outcome?.body
  send({ kind: frameKind.answer, id, header, ...(body === undefined ? {} : { body }) })
  if (one.outcome !== undefined) current = undefined
}

/** Of progress there is news all the time. */
const isWorthTelling = ({ events, outcome, toldAt }: Work) =>
  outcome !== undefined ||
  events.some(({ type }) => type !== "progress") ||
  (events.length > 0 && now() - toldAt >= tellEveryMs)

const tell = (one: Work, event: HostEvent) => {
  if (event.type === "progress" && one.events.at(-1)?.type === "progress") one.events.pop()
  one.events.push(event)
  if (isWorthTelling(one)) answer(one)
}

const begin = (header: TrainHeader) => {
  const one: Work = { events: [], outcome: undefined, isStopped: false, waiting: undefined, toldAt: now() }
  current = one
  const done = (outcome: Outcome) => {
    one.outcome = outcome
    answer(one)
  }
  const options = {
    open: openWithOnnxruntime,
    isStopped: () => one.isStopped,
    tell: (event: HostEvent) => tell(one, event)
  }
  work(header, options).then(done, (cause) => done({ header: { failed: String(cause) } }))
}

const handle = ({ header, id, kind }: Frame) => {
  switch (kind) {
    case trainingKind.train:
      if (current !== undefined) return refuse(id, "it trains already")
      begin(header as TrainHeader)
      return send({ kind: frameKind.answer, id })
    case trainingKind.next:
      if (current === undefined) return refuse(id, "it trains nothing")
      current.waiting = id
      return isWorthTelling(current) ? answer(current) : undefined
    case trainingKind.cancel:
      if (current !== undefined) current.isStopped = true
      return send({ kind: frameKind.answer, id })
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
  if (current !== undefined && now() - current.toldAt >= answerWithinMs) answer(current)
})
Effect.runFork(Effect.repeat(beat, Schedule.spaced(heartbeatEveryMs)))
send({ kind: frameKind.ready, id: 0 })
