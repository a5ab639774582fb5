/**
 * A training in a process of its own: what happens as a stream, the outcome as a typed result. The process is started
 * again when it dies, a few times, and goes on from its last checkpoint; it ends with the scope, and with this process
 * however that ends.
 *
 * What can go wrong: the training or its data are refused (nothing has been trained then); the process dies more often
 * than it is started again, because it takes more memory than it may, or a run more time (TrainingFailed, the last
 * checkpoint stays).
 * Invariant: however often the process died, the parameters are those of a training that was never interrupted, to the
 * byte.
 */
import { join } from "node:path"
import { Deferred, Effect, Exit, Fiber, Mailbox, Option, Schema, type Scope, type Stream } from "effect"
import type { TrainingRefused } from "../../learning/errors.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { ChildFailed } from "../../runtime/errors.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { readCheckpoint } from "./Course.ts"
import { type TrainingDataUnfit, TrainingFailed } from "./errors.ts"
import {
  type Ended,
  type HostEvent,
  type Losses,
  type NextAnswer,
  Refusal,
  type TrainHeader,
  trainingKind
} from "./frames.ts"
import { type HostTraining, trainingName } from "./HostTraining.ts"

export interface TrainingHostOptions {
  /** The child's program. */
  readonly script: string
  readonly memoryBytesMax: number
  /** A run, or the making of a session, that takes longer ends the child. */
  readonly runMsMax: number
  /** Of the child, in one training. */
  readonly restartsMax: number
}

export interface TrainingJob {
  readonly spec: HostTraining
  /** A file of TrainingData.ts, and its SHA-256. */
  readonly data: { readonly path: string; readonly digest: string }
  /** Where its checkpoint is kept, and looked for. */
  readonly folder: string
}

export type TrainingHostEvent =
  | (Extract<HostEvent, { type: "started" }> & { readonly pid: number })
  | (Extract<HostEvent, { type: "progress" | "epoch" }> & {
      /** Until all epochs are done, if patience does not end it before; null while nothing has been measured. */
      readonly secondsLeft: number | null
    })
  | { readonly type: "died"; readonly reason: string; readonly restarts: number }

export interface TrainingResult {
  readonly reason: Ended["reason"]
  /** Those of the least validation loss; null where no epoch has come to its end. */
  readonly parameters: Float32Array | null
  readonly validationLoss: number | null
  readonly history: ReadonlyArray<Losses>
  readonly restarts: number
}

export type TrainingError = TrainingRefused | TrainingDataUnfit | TrainingFailed

export interface Training {
  /** Ends with the training. Where nobody takes them, the oldest are dropped. */
  readonly events: Stream.Stream<TrainingHostEvent>
  readonly result: Effect.Effect<TrainingResult, TrainingError>
  /** Ends the training within `cancelMsMax`; its result is then that of the last epoch. */
  readonly cancel: Effect.Effect<void>
}

export const cancelMsMax = 300
/** How long the child is asked before it is killed. */
const askedMsMax = 150
const eventsMax = 4_096
const restartAfterMs = 200

/** The file that a training's state is kept in: of another training or other data it is another one. */
export const checkpointPath = ({ data, folder, spec }: TrainingJob): string =>
  join(folder, `${contentHash({ spec, data: data.digest }).slice(0, 32)}.checkpoint`)

const floatsOf = (bytes: Uint8Array): Float32Array | null =>
  bytes.byteLength === 0
    ? null
    : new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))

/** What the disk has of a training whose process could not be asked any more. */
const fromDisk = (spec: HostTraining, path: string, restarts: number): Effect.Effect<TrainingResult> =>
  Effect.promise(async () => {
    const found = await readCheckpoint(spec, path)
    const checkpoint = typeof found === "string" ? undefined : found
    return {
      reason: "cancelled",
      parameters: checkpoint?.best ?? null,
      validationLoss: checkpoint?.bestLoss ?? null,
      history: checkpoint?.history ?? [],
      restarts
    }
  })

/** Begins a training. It is over when the scope is. */
export const start = (
  options: TrainingHostOptions,
  job: TrainingJob
): Effect.Effect<Training, never, Scope.Scope> =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const checkpoint = checkpointPath(job)
    const header: TrainHeader = { spec: job.spec, data: job.data, checkpoint }
    const events = yield* Mailbox.make<TrainingHostEvent>({ capacity: eventsMax, strategy: "sliding" })
    const result = yield* Deferred.make<TrainingResult, TrainingError>()
    let restarts = 0
    let child: ChildProcess.Child | undefined
    let isCancelled = false

    const failed = (reason: string) =>
      new TrainingFailed({ network: trainingName(job.spec), restarts, reason })

    /** Adds what the child cannot know. */
    const timed = (pid: number) => {
      let began = { at: now(), step: 0 }
      let steps = 0
      return (event: HostEvent): TrainingHostEvent => {
        if (event.type === "started") {
          began = { at: now(), step: event.step }
          steps = job.spec.epochsMax * event.batches
          return { ...event, pid }
        }
        const done = event.step - began.step
        const perStep = done > 0 ? (now() - began.at) / done : null
        return { ...event, secondsLeft: perStep === null ? null : ((steps - event.step) * perStep) / 1_000 }
      }
    }

    const resultOf = (
      outcome: NonNullable<NextAnswer["outcome"]>,
      body: Uint8Array
    ): Effect.Effect<TrainingResult, TrainingError> => {
      if ("ended" in outcome) {
        return Effect.succeed({ ...outcome.ended, parameters: floatsOf(body), restarts })
      }
      if ("refused" in outcome) return Effect.fail(Schema.decodeSync(Refusal)(outcome.refused))
      return Effect.fail(failed(outcome.failed))
    }

    /** One life of the child, until it dies or has an outcome. */
    const life = Effect.scoped(
      Effect.gen(function* () {
        const started = yield* ChildProcess.start({
          name: "training-host",
          script: options.script,
          isBeside: true,
          memoryBytesMax: options.memoryBytesMax,
          requestMsMax: options.runMsMax,
          requestsMax: 4
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            child = started
          }),
          () =>
            Effect.sync(() => {
              child = undefined
            })
        )
        const publish = timed(started.pid)
        yield* started.request(trainingKind.train, header)
        if (isCancelled) yield* started.request(trainingKind.cancel, null)
        for (;;) {
          const answer = yield* started.request(trainingKind.next, null)
          const told = answer.header as NextAnswer
          yield* events.offerAll(told.events.map(publish))
          if (told.outcome !== null) return { outcome: told.outcome, body: answer.body }
        }
      })
    )

    const lives: Effect.Effect<Effect.Effect.Success<typeof life>, TrainingFailed> = Effect.catchAll(
      life,
      ({ reason }: ChildFailed) =>
        Effect.gen(function* () {
          if (restarts >= options.restartsMax) return yield* failed(reason)
          restarts++
          yield* events.offer({ type: "died", reason, restarts })
          yield* Effect.sleep(restartAfterMs)
          return yield* lives
        })
    )

    yield* Effect.addFinalizer(() => Deferred.interrupt(result))
    const working = yield* lives.pipe(
      Effect.flatMap(({ body, outcome }) => resultOf(outcome, body)),
      // Who interrupts it says what the result is.
      Effect.onExit((exit) => (Exit.isInterrupted(exit) ? Effect.void : Deferred.done(result, exit))),
      Effect.ensuring(events.end),
      Effect.forkScoped
    )

    const cancel = Effect.gen(function* () {
      isCancelled = true
      const ask: Effect.Effect<unknown, ChildFailed> =
        child?.request(trainingKind.cancel, null) ?? Effect.void
      const ended = yield* Effect.ignore(ask).pipe(
        Effect.zipRight(Effect.exit(Deferred.await(result))),
        Effect.timeoutOption(askedMsMax)
      )
      if (Option.isSome(ended)) return
      // It is in a run that cannot be interrupted, or between two lives.
      yield* Fiber.interrupt(working)
      yield* Deferred.succeed(result, yield* fromDisk(job.spec, checkpoint, restarts))
    })

    return { events: Mailbox.toStream(events), result: Deferred.await(result), cancel }
  })
