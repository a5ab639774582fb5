import { constants, getPriority } from "node:os"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock, TestServices } from "effect"
import * as ChildProcess from "../../src/runtime/ChildProcess.ts"
import { isAlive, untilGone } from "../support/program.ts"

const script = fileURLToPath(new URL("../support/frameChild.mjs", import.meta.url))
const kinds = { echo: 16, refuse: 17, ignore: 18, end: 19, takeMemory: 20, talkNonsense: 21 } as const
const mebibyte = 1024 * 1024

const start = (options: Partial<ChildProcess.ChildOptions> = {}) =>
  ChildProcess.start({
    name: "probe",
    script,
    memoryBytesMax: 1_024 * mebibyte,
    requestMsMax: 5_000,
    requestsMax: 16,
    ...options
  })

describe("ChildProcess", () => {
  it.scopedLive("answers requests, each its own, with bytes as they were sent", () =>
    Effect.gen(function* () {
      const child = yield* start({ arguments: ["ready", "x"], environment: { MARK: "seen" } })
      const answers = yield* Effect.forEach(
        Array.from({ length: 16 }, (_, i) => i),
        (i) =>
          child.request(
            kinds.echo,
            { i },
            Uint8Array.from({ length: 1_000 * i }, (_, k) => k)
          ),
        { concurrency: "unbounded" }
      )
      answers.forEach(({ body, header }, i) => {
        expect(header).toEqual({ header: { i }, arguments: ["x"], mark: "seen" })
        expect(body).toEqual(Uint8Array.from({ length: 1_000 * i }, (_, k) => k))
      })
    })
  )

  it.scopedLive("gives way to others where it is asked to, and only there", () =>
    Effect.gen(function* () {
      const own = getPriority()
      const beside = yield* start({ isBeside: true })
      const usual = yield* start()
      expect(getPriority(beside.pid)).toBe(Math.max(own, constants.priority.PRIORITY_BELOW_NORMAL))
      expect(getPriority(usual.pid)).toBe(own)
    })
  )

  it.scopedLive("carries a body of many chunks there and back", () =>
    Effect.gen(function* () {
      const child = yield* start()
      const body = Uint8Array.from({ length: 5 * mebibyte }, (_, i) => (i * 31) % 251)
      const answer = yield* child.request(kinds.echo, null, body)
      expect(Buffer.compare(answer.body, body)).toBe(0)
    })
  )

  it.scopedLive("gives a refusal to the request that it refuses, and to no other", () =>
    Effect.gen(function* () {
      const child = yield* start()
      const [refused, answered] = yield* Effect.all(
        [Effect.flip(child.request(kinds.refuse, null)), child.request(kinds.echo, "x")],
        { concurrency: 2 }
      )
      expect(refused).toMatchObject({ _tag: "ChildFailed", child: "probe", reason: "it does not want to" })
      expect(answered.header).toMatchObject({ header: "x" })
    })
  )

  it.scopedLive("refuses requests beyond the number that may be with it", () =>
    Effect.gen(function* () {
      const child = yield* start({ requestsMax: 2 })
      const waiting = yield* Effect.forEach([1, 2], () => Effect.fork(child.request(kinds.ignore, null)))
      yield* Effect.yieldNow()
      const error = yield* Effect.flip(child.request(kinds.echo, null))
      expect(error).toMatchObject({ _tag: "ChildFailed", reason: "2 requests wait already" })
      yield* Effect.forEach(waiting, Fiber.interrupt)
    })
  )

  it.scopedLive(
    "fails everything that waits when it ends, with its last words, and all that comes later",
    () =>
      Effect.gen(function* () {
        const child = yield* start()
        const waiting = yield* Effect.fork(Effect.flip(child.request(kinds.ignore, null)))
        yield* Effect.yieldNow()
        const last = yield* Effect.flip(child.request(kinds.end, null))
        expect(last.reason).toBe("it ended with 3 (its last words)")
        expect(yield* Fiber.join(waiting)).toEqual(last)
        expect(yield* Effect.flip(child.died)).toEqual(last)
        expect(yield* Effect.flip(child.request(kinds.echo, null))).toEqual(last)
      })
  )

  it.scopedLive("says by which signal it was killed", () =>
    Effect.gen(function* () {
      const child = yield* start()
      const waiting = yield* Effect.fork(Effect.flip(child.request(kinds.ignore, null)))
      yield* Effect.yieldNow()
      process.kill(child.pid, "SIGKILL")
      expect((yield* Fiber.join(waiting)).reason).toBe("it ended with SIGKILL")
    })
  )

  it.scopedLive("is killed when it says what is no frame", () =>
    Effect.gen(function* () {
      const child = yield* start()
      const error = yield* Effect.flip(child.request(kinds.talkNonsense, null))
      expect(error.reason).toContain("a frame of 4294967295 bytes is outside")
      yield* untilGone(child.pid)
    })
  )

  it.scopedLive("is killed when it takes more memory than it may", () =>
    Effect.gen(function* () {
      const child = yield* start({ memoryBytesMax: 200 * mebibyte, requestMsMax: 60_000 })
      const error = yield* Effect.flip(child.request(kinds.takeMemory, null))
      expect(error.reason).toMatch(/^it took \d+ bytes of memory, 209715200 are allowed$/)
      yield* untilGone(child.pid)
    })
  )

  it.scoped("is killed when a request takes longer than it may, and not before", () =>
    Effect.gen(function* () {
      const child = yield* start({ requestMsMax: 30_000 })
      const waiting = yield* Effect.fork(Effect.flip(child.request(kinds.ignore, null)))
      yield* TestClock.adjust("29 seconds")
      expect(waiting.unsafePoll()).toBeNull()
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(waiting)).reason).toBe("a request took longer than 30000 ms")
      yield* TestServices.provideLive(untilGone(child.pid))
    })
  )

  it.scoped("is killed when it has been silent for ten seconds without being asked anything", () =>
    Effect.gen(function* () {
      const child = yield* start()
      const died = yield* Effect.fork(Effect.flip(child.died))
      process.kill(child.pid, "SIGSTOP")
      yield* TestClock.adjust("9 seconds")
      expect(died.unsafePoll()).toBeNull()
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(died)).reason).toBe("it has been silent for 10000 ms")
    })
  )

  it.scopedLive("lives on while its heart beats, though nothing is asked of it", () =>
    Effect.gen(function* () {
      const child = yield* start()
      expect(yield* Effect.timeoutOption(child.died, "200 millis")).toMatchObject({ _tag: "None" })
      expect((yield* child.request(kinds.echo, 1)).header).toMatchObject({ header: 1 })
    })
  )

  it.scopedLive("that ends before it is ready is a typed error", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(start({ arguments: ["dies"] }))
      expect(error).toMatchObject({ _tag: "ChildFailed", child: "probe" })
      expect(error.reason).toMatch(/^it ended with (7|0)/)
      const missing = yield* Effect.flip(start({ script: `${script}.missing` }))
      expect(missing.reason).toMatch(/^it ended with 1/)
    })
  )

  it.scoped("that never becomes ready is given up", () =>
    Effect.gen(function* () {
      const starting = yield* Effect.fork(Effect.flip(Effect.scoped(start({ arguments: ["mute"] }))))
      yield* TestClock.adjust("9 seconds")
      expect(starting.unsafePoll()).toBeNull()
      yield* TestClock.adjust("30 seconds")
      expect((yield* Fiber.join(starting))._tag).toBe("ChildFailed")
    })
  )

  it.scopedLive("ends with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const child = yield* Scope.extend(start(), scope)
      expect(isAlive(child.pid)).toBe(true)
      yield* Scope.close(scope, Exit.void)
      yield* untilGone(child.pid)
    })
  )
})
