/**
 * The live bars of a source for all who follow it: the first opens the connection, the others share it, and it is
 * closed when the last has gone. When it fails, it fails for all, and whoever comes next opens another.
 *
 * Invariants: at most one connection is open, and everybody who follows it hears of its end, whenever he came. Who wants
 * more of the source than the connection brings is refused; who is too slow to take what comes loses the oldest of it,
 * which history brings back.
 */
import { Effect, Exit, Fiber, PubSub, type Scope, Stream, Take } from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import type { BarRequest, BarSource } from "./BarSource.ts"
import { SourceFailed } from "./errors.ts"

type Live = NonNullable<BarSource["live"]>

interface Connection {
  readonly request: BarRequest
  readonly bars: PubSub.PubSub<Take.Take<Bar, SourceFailed>>
  /** Once it is over: set before it is published. */
  end: Take.Take<never, SourceFailed> | undefined
  followers: number
  fiber: Fiber.RuntimeFiber<void> | undefined
}

/** Bars that wait for one who follows. */
const waitingMax = 16_384

const covers = (open: BarRequest, request: BarRequest): boolean => {
  const ids = new Set(open.instruments.map(({ id }) => id))
  return open.timeFrame === request.timeFrame && request.instruments.every(({ id }) => ids.has(id))
}

export const shareLive = (name: string, live: Live): Effect.Effect<Live, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const lock = yield* Effect.makeSemaphore(1)
    let current: Connection | undefined

    const run = (connection: Connection) =>
      Stream.runForEachChunk(live(connection.request), (bars) =>
        PubSub.publish(connection.bars, Take.chunk(bars))
      ).pipe(
        Effect.onExit((exit) => {
          // Whoever hears of the end may come again at once.
          if (current === connection) current = undefined
          connection.end = Exit.isSuccess(exit) ? Take.end : Take.failCause(exit.cause)
          return PubSub.publish(connection.bars, connection.end)
        }),
        // It has been told to those who follow.
        Effect.exit,
        Effect.asVoid
      )

    const enter = (request: BarRequest) =>
      Effect.gen(function* () {
        if (current !== undefined && !covers(current.request, request)) {
          const reason =
            "it is followed already with other instruments or another time frame, by one connection"
          return yield* new SourceFailed({ source: name, kind: "refused", reason, retryAfterMs: null })
        }
        current ??= {
          request,
          bars: yield* PubSub.sliding<Take.Take<Bar, SourceFailed>>(waitingMax),
          end: undefined,
          followers: 0,
          fiber: undefined
        }
        current.followers++
        return current
      })

    /** Returns when the connection is closed, if this was the last of those who followed. */
    const leave = (connection: Connection) =>
      Effect.suspend(() => {
        if (--connection.followers > 0) return Effect.void
        if (current === connection) current = undefined
        return connection.fiber === undefined ? Effect.void : Fiber.interrupt(connection.fiber)
      })

    const follow = (request: BarRequest) =>
      Effect.gen(function* () {
        const connection = yield* Effect.acquireRelease(enter(request), (entered) =>
          lock.withPermits(1)(leave(entered))
        )
        const taken = yield* PubSub.subscribe(connection.bars)
        connection.fiber ??= yield* Effect.forkIn(run(connection), scope)
        const ids = new Set<string>(request.instruments.map(({ id }) => id))
        const { end } = connection
        const takes =
          end === undefined
            ? Stream.fromQueue(taken)
            : // It may have been published before this one came.
              Stream.concat(Stream.fromIterable(yield* taken.takeAll), Stream.make(end))
        return takes.pipe(
          Stream.flattenTake,
          Stream.filter(({ instrument }) => ids.has(instrument))
        )
      })

    return (request) => Stream.unwrapScoped(lock.withPermits(1)(follow(request)))
  })
