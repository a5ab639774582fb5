/**
 * A chain of sources at work: keeps the connections that it asks for, fetches the history that it asks for, tells it
 * the time, and hands out as-ofs as they become whole.
 *
 * What can go wrong is the chain's to deal with: a connection that ends, for whatever reason, is reported to it. A
 * defect of a source is logged and reported as a failure of that source, since the others can go on without it. A
 * defect of the chain is raised with whoever takes from it. What nobody takes for too long gives way, the oldest first,
 * and is counted and told in the log.
 */
import {
  Cause,
  Chunk,
  Clock,
  Deferred,
  Effect,
  Either,
  Exit,
  Fiber,
  Option,
  type Scope,
  Stream
} from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import { makeAsOfBarrier } from "./AsOfBarrier.ts"
import type { BarRequest, BarSource } from "./BarSource.ts"
import { SourceFailed } from "./errors.ts"
import type { FeedItem, FeedPosition, TakeItem } from "./Feed.ts"
import type { ChainInput, ChainOptions, ChainOutput, FeedChain, FeedEvent, GapRequest } from "./FeedChain.ts"
import { countDropped, countEvent, countEventsDropped, countFailure } from "./FeedMetrics.ts"
import { makeFeedChain } from "./makeFeedChain.ts"

export interface RunChainOptions {
  /** In the order of preference, with what each is open as. */
  readonly sources: ReadonlyArray<BarSource>
  readonly request: BarRequest
  readonly chain: Omit<ChainOptions, "sources" | "instruments">
  readonly barrierMs: number
  /** As-ofs of the past that a new run begins with. */
  readonly warmUp: number
  /** How far back they are looked for, in intervals. */
  readonly lookBack: number
}

export interface RunningChain {
  readonly chain: FeedChain
  /** Bars that are in no as-of. */
  readonly barsMissing: () => number
  readonly take: TakeItem
}

/** How often time is told, within the time of a hand-over. */
const ticksPerHandOver = 10
const tickMsMax = 250
/** Histories fetched at a time. */
const fillsMax = 4
/** Bars of history that the chain is given at a time. */
const fillBarsAtOnce = 500
/** History that gives nothing for so long is given up. */
const fillSilentMs = 60_000
/** Intervals of the past that a run that goes on asks for at most. */
const catchUpBarsMax = 50_000
/** What befell the sources and waits to be journalled. */
const eventsMax = 10_000
/** Bars of as-ofs that are gone, and wait to be published as corrections. */
const lateMax = 10_000
/** Of them, as many as are given at a time. */
const lateAtOnce = 500

const failureOf = (source: string, exit: Exit.Exit<void, SourceFailed>): SourceFailed | undefined => {
  const failure = (kind: SourceFailed["kind"], reason: string) =>
    new SourceFailed({ source, kind, reason: truncateReason(reason), retryAfterMs: null })
  if (Exit.isSuccess(exit)) return failure("unavailable", "it ended")
  const failed = Cause.failureOption(exit.cause)
  if (Option.isSome(failed)) return failed.value
  return Cause.isInterruptedOnly(exit.cause)
    ? undefined
    : failure("malformed", `a defect of its adapter: ${Cause.pretty(exit.cause)}`)
}

const wordsOf = ({ payload, type }: FeedEvent): string => {
  switch (type) {
    case "FeedHandedOver":
      return `Bars come from ${payload.to} instead of ${payload.from}: ${payload.reason}`
    case "FeedsDisagreed":
      return `${payload.sources.join(" and ")} disagree on ${payload.instrument} at ${payload.openTime}: ${payload.closes.join(" and ")}`
    case "FeedRecovered":
      return `${payload.source} is well again after ${payload.lostMs} ms`
  }
}

/** Runs until the scope is closed. */
export const runChain = (
  options: RunChainOptions,
  position: FeedPosition
): Effect.Effect<RunningChain, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { barrierMs, lookBack, request, sources, warmUp } = options
    const { fillMs, frameMs, handOverMs } = options.chain
    const instruments = request.instruments.map(({ id }) => id as string)
    const byId = new Map(request.instruments.map((instrument) => [instrument.id as string, instrument]))
    const byName = new Map(sources.map((source) => [source.name, source]))
    const scope = yield* Effect.scope
    const now = yield* monotonicMs
    const startedAt = yield* Clock.currentTimeMillis
    const tickMs = Math.min(tickMsMax, Math.max(1, Math.floor(handOverMs / ticksPerHandOver)))

    // What opens before this has closed by now.
    const through = startedAt - frameMs + 1
    const wanted =
      position.asOf === null
        ? through - lookBack * frameMs
        : Math.max(position.asOf, through - catchUpBarsMax * frameMs)
    const hasHistory = sources.some(({ history }) => history !== null)
    const isTakenUp = position.asOf !== null
    const chain = makeFeedChain(
      {
        ...options.chain,
        // Noticed at a tick, and still within the time stated.
        handOverMs: handOverMs - tickMs,
        instruments,
        sources: sources.map(({ history, kind, live, name }) => ({
          name,
          kind,
          hasLive: live !== null,
          hasHistory: history !== null
        }))
      },
      {
        active: position.active,
        next: new Map(hasHistory || isTakenUp ? instruments.map((instrument) => [instrument, wanted]) : []),
        through
      }
    )
    const barrier = makeAsOfBarrier(
      { instruments: request.instruments, frameMs, barrierMs, fillMs },
      position.asOf
    )
    const events: Array<FeedEvent> = []
    const late: Array<Bar> = []
    /** What nobody took in time, and what came twice. */
    const lost = { full: 0, duplicate: 0, waiting: 0, events: 0 }
    let eventsTold = 0
    const broken = yield* Deferred.make<never>()
    const connections = new Map<string, Fiber.RuntimeFiber<void>>()
    const fills = yield* Effect.makeSemaphore(fillsMax)
    const changed = yield* Effect.makeLatch(false)
    const dropped = (): Readonly<Record<string, number>> => {
      const { duplicate, ...others } = chain.dropped()
      const { full, waiting } = lost
      return { ...others, duplicate: duplicate + lost.duplicate, "no room in the barrier": full, waiting }
    }
    let counted = dropped()

    const keepLate = (bar: Bar) => {
      late.push(bar)
      if (late.length <= lateMax) return
      late.shift()
      lost.waiting++
    }
    const keepEvent = (event: FeedEvent) => {
      countEvent(event.type)
      events.push(event)
      if (events.length <= eventsMax) return
      // The latest say who leads now.
      events.shift()
      lost.events++
      countEventsDropped()
    }

    /** What the chain says is noted before anybody else can look at it; then it is seen to. */
    const note = (output: ChainOutput, at: number) => {
      if (output.type === "event") return keepEvent(output.event)
      if (output.type !== "emit" && output.type !== "late") return
      const { bar, type } = output
      const verdict = type === "emit" ? barrier.push(bar, at) : barrier.amend(bar, at)
      if (verdict === "gone") keepLate(bar)
      else if (verdict !== "taken") lost[verdict]++
    }

    /** A slip of the chain itself ends the feed: whoever takes from it fails of it, and is started anew. */
    const orBreak = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
      Effect.onError(effect, (cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Deferred.failCause(broken, cause)
      )

    /** Gives the chain an input, and does what it asks for. */
    const submit = (input: Untimed<ChainInput>): Effect.Effect<void> =>
      Effect.flatMap(Clock.currentTimeMillis, (wallMs) => {
        const at = now()
        // Its clock never steps back.
        const outputs = Either.getOrThrowWith(chain.step({ ...input, now: at, wallMs }), (error) => error)
        for (const output of outputs) note(output, at)
        const orders = outputs.filter(({ type }) => type !== "emit" && type !== "late")
        return Effect.zipRight(changed.open, Effect.forEach(orders, obey, { discard: true }))
      }).pipe(Effect.uninterruptible, orBreak)

    const report = (source: string, failure: SourceFailed) => {
      countFailure(source)
      return Effect.logWarning(failure.message)
    }

    const connect = (name: string) => {
      const live = byName.get(name)?.live
      if (live === null || live === undefined) throw new RangeError(`${name} has no live bars`)
      const bars = Stream.runForEach(live(request), (bar) => submit({ type: "bar", source: name, bar }))
      return Effect.exit(bars).pipe(
        Effect.flatMap((exit) => {
          const failure = failureOf(name, exit)
          if (failure === undefined) return Effect.void
          return Effect.zipRight(report(name, failure), submit({ type: "failed", source: name, failure }))
        }),
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.map((fiber) => connections.set(name, fiber))
      )
    }

    const fill = (gap: GapRequest) => {
      const { from, instrument: id, source, to } = gap
      const instrument = byId.get(id)
      const history = byName.get(source)?.history
      if (history === null || history === undefined || instrument === undefined) {
        throw new RangeError(`${source} has no history of ${id}`)
      }
      const silent = () =>
        new SourceFailed({
          source,
          kind: "stalled",
          reason: `no history of ${id} has come for ${fillSilentMs} ms`,
          retryAfterMs: null
        })
      const give = (bars: ReadonlyArray<Bar>, isLast: boolean) =>
        submit({ type: "filled", request: gap, bars, isLast })
      const fetched = history({ instrument, timeFrame: request.timeFrame, from, to }).pipe(
        Stream.timeoutFail(silent, fillSilentMs),
        Stream.rechunk(fillBarsAtOnce),
        Stream.runForEachChunk((bars) => give(Chunk.toReadonlyArray(bars), false))
      )
      return Effect.exit(fills.withPermits(1)(fetched)).pipe(
        Effect.flatMap((exit) => {
          const failure = Exit.isSuccess(exit) ? undefined : failureOf(source, exit)
          if (failure === undefined) return Exit.isSuccess(exit) ? give([], true) : Effect.void
          return Effect.zipRight(
            report(source, failure),
            submit({ type: "not-filled", request: gap, failure })
          )
        }),
        Effect.interruptible,
        Effect.forkIn(scope)
      )
    }

    const obey = (output: ChainOutput): Effect.Effect<unknown> => {
      switch (output.type) {
        case "emit":
        case "late":
          return Effect.void
        case "event": {
          const words = wordsOf(output.event)
          return output.event.type === "FeedRecovered" ? Effect.logInfo(words) : Effect.logWarning(words)
        }
        case "connect":
          return connect(output.source)
        case "disconnect": {
          const fiber = connections.get(output.source)
          connections.delete(output.source)
          return fiber === undefined ? Effect.void : Fiber.interruptFork(fiber)
        }
        case "fill":
          return fill(output.request)
      }
    }

    /** Told once in the time of a tick, however many there are. */
    const tellLost = Effect.suspend(() => {
      const events = lost.events - eventsTold
      eventsTold = lost.events
      const { waiting } = lost
      const bars = waiting - (counted.waiting ?? 0)
      if (events === 0 && bars === 0) return Effect.void
      return Effect.logError(
        `The feed is not taken from: ${events} events of its sources and ${bars} late bars gave way to later ones, and are not journalled`
      )
    })
    const count = Effect.sync(() => {
      const now = dropped()
      countDropped(counted, now)
      counted = now
    })
    const tick = Effect.all([tellLost, count, submit({ type: "tick" }), Effect.sleep(tickMs)], {
      discard: true
    })
    yield* Effect.forkScoped(orBreak(Effect.forever(tick)))

    let isNew = !isTakenUp
    const next = (): FeedItem | undefined => {
      const event = events.shift()
      if (event !== undefined) return { event }
      if (isNew) {
        // How far back enough as-ofs lie is known when all have come.
        if (chain.isCatchingUp()) return undefined
        barrier.keepLast(warmUp)
        isNew = false
      }
      if (late.length > 0) return { late: late.splice(0, lateAtOnce) }
      const bars = barrier.next(now(), chain)
      return bars === undefined ? undefined : { bars }
    }
    const change = Effect.raceFirst(changed.await, Deferred.await(broken))
    const take: TakeItem = Effect.zipRight(
      changed.close,
      Effect.suspend(() => {
        const item = next()
        return item === undefined ? Effect.zipRight(change, take) : Effect.succeed(item)
      })
    )
    return { chain, barsMissing: barrier.missing, take }
  })

type Untimed<Input> = Input extends unknown ? Omit<Input, "now" | "wallMs"> : never
