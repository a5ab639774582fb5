/**
 * Speaks to the thread in which ccxt runs: calls go in, answers come out, and what ccxt wants to fetch is fetched here,
 * within the venue's budget, bounded and inspected. A call may make several requests, or none.
 *
 * What can go wrong: the thread ends, or stops answering. Then all calls that wait fail, and the next one starts
 * another. Whoever gives up a call gives up its requests and their place in the budget, but for those that load the
 * markets, which all calls wait for.
 */
import { Worker } from "node:worker_threads"
import { Effect, Either, Fiber, FiberSet, type Scope } from "effect"
import { describeRefusal, parseJson } from "../../../protocols/wire/Json.ts"
import { Limits } from "../../../protocols/wire/Limits.ts"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { boundedFetch, refusalOf } from "./boundedFetch.ts"
import {
  type Calls,
  type ExchangeOptions,
  type Failure,
  type FetchRequest,
  threadOf
} from "./exchangeThread.js"
import { reasonOf, sourceFailed } from "./failure.ts"

/** Answers that tell all markets of an exchange; the largest are some ten megabytes. */
const marketsBytesMax = 64 * 1024 * 1024
const heapMegabytesMax = 1_024
/** What a call may take beside a request: its turn by the exchange's own rules. */
const callBeyondMs = 60_000
const closeMsMax = 2_000

export interface CcxtThread {
  readonly call: <Name extends keyof Calls>(
    name: Name,
    takes: Calls[Name]["takes"]
  ) => Effect.Effect<Calls[Name]["gives"], SourceFailed>
}

type Outcome = Effect.Effect<unknown, SourceFailed>

/** What is being fetched for one call, or for all. */
interface Activity {
  readonly fetching: Set<Fiber.RuntimeFiber<void>>
  /** When the last of it ended, elapsed milliseconds; at first, when it began. */
  fetchedAt: number
}

interface Waiting {
  readonly activity: Activity
  readonly resume: (outcome: Outcome) => void
}

interface Running {
  readonly worker: Worker
  /** The calls that wait, by their ids. */
  readonly waiting: Map<number, Waiting>
  /** Of the markets, and of connections. */
  readonly shared: Activity
}

/** What of an answer is for ccxt to parse. */
const checked =
  (source: string, isLoading: boolean) => (answer: Awaited<ReturnType<typeof boundedFetch>>) => {
    const refusal = refusalOf(source, answer)
    // When it may be asked again ccxt does not tell; what else is refused, it knows how to read.
    if (refusal !== null && (refusal.kind === "rate-limited" || refusal.retryAfterMs !== null)) {
      return refusal
    }
    if (refusal === null && !isLoading) {
      const parsed = parseJson(answer.bytes, { bytesMax: Limits.payloadBytesMax })
      if (Either.isLeft(parsed)) return sourceFailed(source, "malformed", describeRefusal(parsed.left))
    }
    return Effect.succeed(answer)
  }

const unwanted: Failure = { kind: "unavailable", reason: "nobody waits for it", retryAfterMs: null }

const refuse = (worker: Worker, fetch: number, { kind, reason, retryAfterMs }: Failure): void =>
  worker.postMessage({ fetch, failure: { kind, reason, retryAfterMs } satisfies Failure })

export const openThread = (
  source: string,
  options: Omit<ExchangeOptions, "messageBytesMax"> & { readonly requestTimeoutMs: number },
  budget: RateBudget
): Effect.Effect<CcxtThread, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { requestTimeoutMs, ...rest } = options
    const run = yield* FiberSet.makeRuntime<never>()
    const now = yield* monotonicMs
    let running: Running | undefined
    let calls = 0

    const fetched = ({ body, headers, isLoading, method, url }: FetchRequest) =>
      Effect.tryPromise({
        try: (signal) =>
          boundedFetch(source, url, {
            method,
            headers,
            body,
            signal,
            bytesMax: isLoading ? marketsBytesMax : Limits.payloadBytesMax
          }),
        catch: (cause) =>
          cause instanceof SourceFailed ? cause : sourceFailed(source, "unavailable", reasonOf(cause))
      }).pipe(
        Effect.timeoutFail({
          duration: requestTimeoutMs,
          onTimeout: () => sourceFailed(source, "stalled", `no answer within ${requestTimeoutMs} ms`)
        }),
        budget.withPermit,
        Effect.flatMap(checked(source, isLoading))
      )

    /** When it was last fetched for, elapsed milliseconds: now, while it is. */
    const fetchedAt = (activity: Activity) => (activity.fetching.size > 0 ? now() : activity.fetchedAt)

    /** Fetches, and tells the thread what has come of it. */
    const serve = (worker: Worker, activity: Activity, request: FetchRequest) => {
      const { fetch } = request
      const fiber = run(
        fetched(request).pipe(
          Effect.match({
            onFailure: (failure) => refuse(worker, fetch, failure),
            onSuccess: ({ bytes, headers, status, statusText }) =>
              worker.postMessage({ fetch, answer: { status, statusText, headers: [...headers], bytes } })
          }),
          Effect.onInterrupt(() => Effect.sync(() => refuse(worker, fetch, unwanted)))
        )
      )
      activity.fetching.add(fiber)
      fiber.addObserver(() => {
        activity.fetching.delete(fiber)
        activity.fetchedAt = now()
      })
    }

    const start = (): Running => {
      const workerData: { readonly [threadOf]: ExchangeOptions } = {
        [threadOf]: {
          ...rest,
          messageBytesMax: Limits.payloadBytesMax
        }
      }
      const worker = new Worker(new URL("./exchangeThread.js", import.meta.url), {
        workerData,
        resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax }
      })
      const shared: Activity = { fetching: new Set(), fetchedAt: now() }
      const started: Running = { worker, waiting: new Map(), shared }
      let reason = "the thread of ccxt has ended"
      worker.on(
        "message",
        (
          message:
            | FetchRequest
            | { readonly id: number; readonly value?: unknown; readonly failure?: Failure }
        ) => {
          if ("fetch" in message) {
            const activity = message.call === null ? shared : started.waiting.get(message.call)?.activity
            if (activity === undefined) refuse(worker, message.fetch, unwanted)
            else serve(worker, activity, message)
            return
          }
          const { failure, id, value } = message
          started.waiting
            .get(id)
            ?.resume(
              failure === undefined
                ? Effect.succeed(value)
                : sourceFailed(source, failure.kind, failure.reason, failure.retryAfterMs)
            )
        }
      )
      worker.on("error", (cause) => {
        reason = reasonOf(cause)
      })
      worker.on("exit", () => {
        if (running === started) running = undefined
        for (const { activity, resume } of [...started.waiting.values()]) {
          run(Fiber.interruptAll(activity.fetching))
          resume(sourceFailed(source, "unavailable", reason))
        }
        run(Fiber.interruptAll(shared.fetching))
      })
      return started
    }
    const end = Effect.promise(async () => {
      const worker = running?.worker
      running = undefined
      await worker?.terminate()
    })
    yield* Effect.addFinalizer(() => end)

    return {
      call: <Name extends keyof Calls>(name: Name, takes: Calls[Name]["takes"]) =>
        Effect.suspend(() => {
          const activity: Activity = { fetching: new Set(), fetchedAt: now() }
          const answer = Effect.async<unknown, SourceFailed>((resume) => {
            // What has ended has closed its connections.
            if (name === "close" && running === undefined) return resume(Effect.succeed(null))
            running ??= start()
            const { waiting, worker } = running
            const id = calls++
            const answered = (outcome: Outcome) => {
              waiting.delete(id)
              resume(outcome)
            }
            waiting.set(id, { activity, resume: answered })
            worker.postMessage({ id, name, ...takes })
            return Effect.suspend(() => {
              waiting.delete(id)
              return Fiber.interruptAll(activity.fetching)
            })
          }) as Effect.Effect<Calls[Name]["gives"], SourceFailed>
          // What is watched comes when it comes; whoever watches knows how long to wait.
          if (name === "watch") return answer
          const stalled = (limitMs: number) =>
            Effect.zipRight(end, sourceFailed(source, "stalled", `ccxt has not answered for ${limitMs} ms`))
          if (name === "close") return Effect.raceFirst(answer, Effect.delay(stalled(closeMsMax), closeMsMax))
          const limitMs = requestTimeoutMs + callBeyondMs
          /** Returns when nothing has been fetched for the call for too long. */
          const patience: Effect.Effect<void> = Effect.suspend(() => {
            const since = Math.max(fetchedAt(activity), running === undefined ? 0 : fetchedAt(running.shared))
            const leftMs = since + limitMs - now()
            return leftMs > 0 ? Effect.zipRight(Effect.sleep(leftMs), patience) : Effect.void
          })
          return Effect.raceFirst(answer, Effect.zipRight(patience, stalled(limitMs)))
        })
    }
  })
