/**
 * Speaks to the thread in which ccxt runs: calls go in, answers come out, and what ccxt wants to fetch is fetched here,
 * bounded and inspected.
 *
 * What can go wrong: the thread ends, or stops answering. Then all calls that wait fail, and the next one starts
 * another. Within the thread ccxt's time limits run by the machine's timers, outside of the clock that is injected.
 */
import { Worker } from "node:worker_threads"
import { Effect, Either, FiberSet, type Scope } from "effect"
import { describeRefusal, parseJson } from "../../../protocols/wire/Json.ts"
import { Limits } from "../../../protocols/wire/Limits.ts"
import { SourceFailed } from "../errors.ts"
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
/** What a call may take beside its request: its turn by the exchange's rules, and the markets that it needs first. */
const callBeyondMs = 60_000
const closeMsMax = 2_000
/** ccxt gives up a request a little later than it is given up here. */
const timeoutBeyondMs = 1_000

export interface CcxtThread {
  readonly call: <Name extends keyof Calls>(
    name: Name,
    takes: Calls[Name]["takes"]
  ) => Effect.Effect<Calls[Name]["gives"], SourceFailed>
}

type Outcome = Effect.Effect<unknown, SourceFailed>

interface Running {
  readonly worker: Worker
  /** Who waits for which call. */
  readonly waiting: Map<number, (outcome: Outcome) => void>
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

export const openThread = (
  source: string,
  options: Omit<ExchangeOptions, "messageBytesMax" | "timeoutMs"> & { readonly requestTimeoutMs: number }
): Effect.Effect<CcxtThread, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { requestTimeoutMs, ...rest } = options
    const run = yield* FiberSet.makeRuntime<never>()
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
        Effect.flatMap(checked(source, isLoading))
      )

    const start = (): Running => {
      const workerData: { readonly [threadOf]: ExchangeOptions } = {
        [threadOf]: {
          ...rest,
          timeoutMs: requestTimeoutMs + timeoutBeyondMs,
          messageBytesMax: Limits.payloadBytesMax
        }
      }
      const worker = new Worker(new URL("./exchangeThread.js", import.meta.url), {
        workerData,
        resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax }
      })
      const started: Running = { worker, waiting: new Map() }
      let reason = "the thread of ccxt has ended"
      worker.on(
        "message",
        (
          message:
            | FetchRequest
            | { readonly id: number; readonly value?: unknown; readonly failure?: Failure }
        ) => {
          if ("fetch" in message) {
            const { fetch } = message
            run(
              Effect.match(fetched(message), {
                onFailure: ({ kind, reason, retryAfterMs }) =>
                  worker.postMessage({ fetch, failure: { kind, reason, retryAfterMs } satisfies Failure }),
                onSuccess: ({ bytes, headers, status, statusText }) =>
                  worker.postMessage({ fetch, answer: { status, statusText, headers: [...headers], bytes } })
              })
            )
            return
          }
          const { failure, id, value } = message
          started.waiting.get(id)?.(
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
        for (const resume of started.waiting.values()) resume(sourceFailed(source, "unavailable", reason))
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
      call: <Name extends keyof Calls>(name: Name, takes: Calls[Name]["takes"]) => {
        const call = Effect.async<unknown, SourceFailed>((resume) => {
          // What has ended has closed its connections.
          if (name === "close" && running === undefined) return resume(Effect.succeed(null))
          running ??= start()
          const { waiting, worker } = running
          const id = calls++
          waiting.set(id, (outcome) => {
            waiting.delete(id)
            resume(outcome)
          })
          worker.postMessage({ id, name, ...takes })
          return Effect.sync(() => void waiting.delete(id))
        }) as Effect.Effect<Calls[Name]["gives"], SourceFailed>
        // What is watched comes when it comes; whoever watches knows how long to wait.
        if (name === "watch") return call
        const limitMs = name === "close" ? closeMsMax : requestTimeoutMs + callBeyondMs
        const stalled = sourceFailed(source, "stalled", `ccxt has not answered for ${limitMs} ms`)
        return Effect.timeoutTo(call, {
          duration: limitMs,
          onSuccess: Effect.succeed,
          onTimeout: () => Effect.zipRight(end, stalled)
        }).pipe(Effect.flatten)
      }
    }
  })
