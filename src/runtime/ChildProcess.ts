/**
 * A child process that answers requests in frames: for work that would block the node (inference, training) or
 * that must not be able to harm it. The child is told apart from a slow one by its heartbeats, is killed when it
 * takes more memory or time than it may, and ends by itself when the node does, because its pipe ends.
 *
 * The child is not restarted here: its end is reported, and its supervisor decides.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { constants, setPriority } from "node:os"
import type { Duplex } from "node:stream"
import { Deferred, Effect, type Scope, Stream } from "effect"
import { type Frame, frameKind } from "../protocols/wire/Frame.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { ChildFailed } from "./errors.ts"
import { readFrames, writeFrame } from "./FrameStream.ts"
import { monotonicMs } from "./MonotonicClock.ts"

export interface ChildOptions {
  readonly name: string
  /** A script that speaks frames on descriptor 3. */
  readonly script: string
  readonly arguments?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  /** Whether it gives way to whoever answers questions on the same machine, from its first instruction on. */
  readonly isBeside?: boolean
  /** Resident memory beyond which it is killed. */
  readonly memoryBytesMax: number
  /** A single request that takes longer ends the child: what it runs cannot be interrupted. */
  readonly requestMsMax: number
  /** Requests that may be with the child. */
  readonly requestsMax: number
}

export interface Child {
  readonly pid: number
  /** The child's answer; `ChildFailed` when it refuses, dies or is too slow. */
  readonly request: (kind: number, header: unknown, body?: Uint8Array) => Effect.Effect<Frame, ChildFailed>
  /** Fails when the child has ended. */
  readonly died: Effect.Effect<never, ChildFailed>
}

const readyTimeoutMs = 20_000
/** Without a frame for this long while nothing is asked of it, a child is taken to hang. */
const silentMaxMs = 10_000
const watchEveryMs = 50
/** Between the end of a child's pipe and that of the child. */
const endedAfterBreakMs = 1_000
const backlogBytesMax = 256 * 1024 * 1024
const pageBytes = 4_096

/** Resident bytes of a process, where the system says so. */
const residentBytes = (pid: number): number | undefined => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes
  } catch {
    return undefined
  }
}

/** Lowers the priority of a process. Not every system lets it: then it takes its share like anyone else. */
const giveWay = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // As said.
  }
}

interface Waiting {
  readonly answer: Deferred.Deferred<Frame, ChildFailed>
  readonly sinceMs: number
}

/** Starts the child and waits until it is ready. It is killed with the scope. */
export const start = (options: ChildOptions): Effect.Effect<Child, ChildFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { memoryBytesMax, name, requestMsMax } = options
    const now = yield* monotonicMs
    const failed = (reason: string) => new ChildFailed({ child: name, reason })
    const dead = yield* Deferred.make<never, ChildFailed>()
    const ready = yield* Deferred.make<void>()
    const waiting = new Map<number, Waiting>()
    let lastId = 0
    let heardAt = now()
    let reportedBytes = 0
    let lastWords = ""

    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [options.script, ...(options.arguments ?? [])], {
          stdio: ["ignore", "ignore", "pipe", "pipe"],
          env: { ...process.env, ...options.environment },
          detached: true
        })
      ).pipe(
        Effect.tap((child) =>
          options.isBeside === true ? Effect.sync(() => giveWay(child.pid)) : Effect.void
        )
      ),
      (child) =>
        Effect.sync(() => {
          child.stdio[3]?.destroy()
          child.kill("SIGKILL")
        })
    )
    const pipe = child.stdio[3] as Duplex
    pipe.on("error", () => pipe.destroy())
    child.stderr?.on("data", (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString("utf8")).slice(-2_000)
    })

    /** Once: everyone who waits hears the same. */
    const end = (reason: string) =>
      Effect.suspend(() => {
        child.kill("SIGKILL")
        const error = failed(reason)
        const answers = [...waiting.values()]
        waiting.clear()
        return Effect.zipRight(
          Deferred.fail(dead, error),
          Effect.forEach(answers, ({ answer }) => Deferred.fail(answer, error), { discard: true })
        )
      })

    const ended = Effect.async<string>((resume) => {
      child.once("error", (cause) => resume(Effect.succeed(cause.message)))
      child.once("exit", (code, signal) => {
        const words = lastWords.trim().split("\n").at(-1) ?? ""
        resume(Effect.succeed(`it ended with ${signal ?? code}${words === "" ? "" : ` (${words})`}`))
      })
    })
    yield* Effect.forkScoped(Effect.flatMap(ended, end))

    const take = (frame: Frame): Effect.Effect<unknown> => {
      heardAt = now()
      switch (frame.kind) {
        case frameKind.ready:
          return Deferred.succeed(ready, undefined)
        case frameKind.heartbeat:
          reportedBytes = Number((frame.header as { residentBytes?: number } | null)?.residentBytes ?? 0)
          return Effect.void
        default: {
          const request = waiting.get(frame.id)
          if (request === undefined) return Effect.void
          waiting.delete(frame.id)
          if (frame.kind === frameKind.answer) return Deferred.succeed(request.answer, frame)
          return Deferred.fail(
            request.answer,
            failed(String((frame.header as { reason?: string } | null)?.reason))
          )
        }
      }
    }
    yield* Stream.runForEach(readFrames(pipe, Limits.frameBytesMax), take).pipe(
      // A pipe that breaks is that of a child that has died: how, is known in a moment, and says more.
      Effect.catchAll((error) =>
        pipe.errored ? Effect.delay(end(error.reason), endedAfterBreakMs) : end(error.reason)
      ),
      Effect.forkScoped
    )

    const watch = Effect.suspend(() => {
      const at = now()
      const bytes = residentBytes(child.pid ?? 0) ?? reportedBytes
      if (bytes > memoryBytesMax)
        return end(`it took ${bytes} bytes of memory, ${memoryBytesMax} are allowed`)
      for (const { sinceMs } of waiting.values()) {
        if (at - sinceMs > requestMsMax) return end(`a request took longer than ${requestMsMax} ms`)
      }
      if (waiting.size === 0 && at - heardAt > silentMaxMs)
        return end(`it has been silent for ${silentMaxMs} ms`)
      return Effect.void
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(watchEveryMs), watch)))

    yield* Deferred.await(ready).pipe(
      Effect.raceFirst(Deferred.await(dead)),
      Effect.timeoutFail({
        duration: readyTimeoutMs,
        onTimeout: () => failed(`not ready after ${readyTimeoutMs} ms`)
      })
    )
    return {
      pid: child.pid as number,
      died: Deferred.await(dead),
      request: (kind, header, body) =>
        Effect.gen(function* () {
          if (yield* Deferred.isDone(dead)) return yield* Deferred.await(dead)
          if (waiting.size >= options.requestsMax)
            return yield* failed(`${options.requestsMax} requests wait already`)
          lastId = (lastId % 0xffff_fffe) + 1
          const id = lastId
          const answer = yield* Deferred.make<Frame, ChildFailed>()
          const frame = body === undefined ? { kind, id, header } : { kind, id, header, body }
          if (!writeFrame(pipe, frame, backlogBytesMax))
            return yield* failed("it does not take what is sent to it")
          waiting.set(id, { answer, sinceMs: now() })
          return yield* Deferred.await(answer)
        })
    }
  })
