import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Ref, TestClock } from "effect"
import * as Supervisor from "../../src/runtime/Supervisor.ts"

const policy: Supervisor.RestartPolicy = {
  mode: "permanent",
  restartsMax: 3,
  withinMs: 60_000,
  backoffMs: 100,
  backoffMaxMs: 1_000,
  jitter: 0.2,
  whenSpent: "escalate"
}

const worker = <R>(
  name: string,
  run: Supervisor.WorkerSpec<R>["run"],
  restart: Partial<Supervisor.RestartPolicy> = {}
): Supervisor.WorkerSpec<R> => ({ name, restart: { ...policy, ...restart }, shutdownMs: 1_000, run })

const branch = <R>(
  name: string,
  children: ReadonlyArray<Supervisor.ChildSpec<R>>,
  restart: Partial<Supervisor.RestartPolicy> = {}
): Supervisor.BranchSpec<R> => ({ name, restart: { ...policy, ...restart }, shutdownMs: 5_000, children })

const check = (name: string, effect: Parameters<typeof it.scoped>[1]) =>
  it.scoped(name, (context) =>
    Effect.provide(
      Effect.suspend(() => effect(context)),
      Logger.remove(Logger.defaultLogger)
    )
  )

/** Lets every fiber that can run do so, then moves the clock. */
const pass = (ms: number) => Effect.zipRight(Effect.yieldNow(), TestClock.adjust(ms))

describe("Supervisor", () => {
  check("restarts what fails, after a pause that grows and stays under its maximum", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const clock = yield* Effect.clock
      const supervisor = yield* Supervisor.start(
        worker(
          "flaky",
          () =>
            Effect.zipRight(
              Effect.sync(() => starts.push(clock.unsafeCurrentTimeMillis())),
              Effect.fail("no")
            ),
          { restartsMax: 6, backoffMs: 100, backoffMaxMs: 500, jitter: 0 }
        )
      )
      for (let i = 0; i < 30; i++) yield* pass(100)
      expect(starts).toEqual([0, 100, 300, 700, 1_200, 1_700, 2_200])
      expect(supervisor.status()).toMatchObject({ state: "failed", restarts: 6, lastFailure: "no" })
    })
  )

  check("varies the pause by no more than the jitter", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const clock = yield* Effect.clock
      yield* Supervisor.start(
        worker(
          "flaky",
          () =>
            Effect.zipRight(
              Effect.sync(() => starts.push(clock.unsafeCurrentTimeMillis())),
              Effect.fail("no")
            ),
          {
            restartsMax: 1,
            backoffMs: 1_000,
            jitter: 0.2
          }
        )
      )
      for (let i = 0; i < 130; i++) yield* pass(10)
      const [first, second] = starts as [number, number]
      expect(second - first).toBeGreaterThanOrEqual(800)
      expect(second - first).toBeLessThanOrEqual(1_210)
    })
  )

  check("forgets failures that lie outside the window", () =>
    Effect.gen(function* () {
      const starts = yield* Ref.make(0)
      const supervisor = yield* Supervisor.start(
        worker(
          "slow",
          () =>
            Effect.zipRight(
              Ref.update(starts, (n) => n + 1),
              Effect.zipRight(Effect.sleep(40_000), Effect.fail("x"))
            ),
          {
            restartsMax: 2
          }
        )
      )
      for (let i = 0; i < 20; i++) yield* pass(41_000)
      expect(yield* Ref.get(starts)).toBeGreaterThan(10)
      expect(supervisor.status().state).not.toBe("failed")
    })
  )

  check("leaves siblings alone when one is given up", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.start(
        branch("node", [
          worker("bad", () => Effect.fail("broken"), { whenSpent: "give-up" }),
          worker("good", (component) => Effect.zipRight(component.running(), Effect.never))
        ])
      )
      for (let i = 0; i < 10; i++) yield* pass(1_000)
      const [bad, good] = supervisor.status().children
      expect([bad?.state, bad?.restarts, bad?.lastFailure]).toEqual(["failed", 3, "broken"])
      expect([good?.state, good?.restarts]).toEqual(["running", 0])
    })
  )

  check("restarts all children of a supervisor whose child has spent its budget", () =>
    Effect.gen(function* () {
      const lives = yield* Ref.make(0)
      const supervisor = yield* Supervisor.start(
        branch(
          "root",
          [
            branch(
              "inner",
              [
                worker("bad", () => Effect.fail("broken")),
                worker("good", () =>
                  Effect.zipRight(
                    Ref.update(lives, (n) => n + 1),
                    Effect.never
                  )
                )
              ],
              { restartsMax: 1 }
            )
          ],
          { restartsMax: 0 }
        )
      )
      for (let i = 0; i < 20; i++) yield* pass(1_000)
      expect(yield* Ref.get(lives)).toBe(2)
      expect(Exit.isFailure(yield* Effect.exit(supervisor.done))).toBe(true)
    })
  )

  check("starts no more lives in a storm than the product of the budgets, then the root fails", () =>
    Effect.gen(function* () {
      const lives = yield* Ref.make(0)
      const stormy = { restartsMax: 2, backoffMs: 10, backoffMaxMs: 10 }
      const supervisor = yield* Supervisor.start(
        branch(
          "root",
          [
            branch(
              "middle",
              [
                worker(
                  "leaf",
                  () =>
                    Effect.zipRight(
                      Ref.update(lives, (n) => n + 1),
                      Effect.fail("storm")
                    ),
                  stormy
                )
              ],
              stormy
            )
          ],
          stormy
        )
      )
      for (let i = 0; i < 200; i++) yield* pass(10)
      const exit = yield* Effect.exit(supervisor.done)
      expect(Exit.isFailure(exit)).toBe(true)
      expect(yield* Ref.get(lives)).toBe(27)
    })
  )

  check("restarts a transient component after a failure only, and a temporary one never", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (name: string) => Ref.update(runs, (names) => [...names, name])
      const failFirst = yield* Ref.make(true)
      const supervisor = yield* Supervisor.start(
        branch("node", [
          worker(
            "transient",
            () =>
              Effect.zipRight(
                note("transient"),
                Effect.flatMap(Ref.getAndSet(failFirst, false), (first) =>
                  first ? Effect.fail("x") : Effect.void
                )
              ),
            { mode: "transient" }
          ),
          worker("temporary", () => Effect.zipRight(note("temporary"), Effect.fail("x")), {
            mode: "temporary"
          })
        ])
      )
      for (let i = 0; i < 10; i++) yield* pass(1_000)
      expect([...(yield* Ref.get(runs))].sort()).toEqual(["temporary", "transient", "transient"])
      expect(supervisor.status().children.map((child) => child.state)).toEqual(["stopped", "failed"])
    })
  )

  check("treats a defect like a failure", () =>
    Effect.gen(function* () {
      const lives = yield* Ref.make(0)
      yield* Supervisor.start(
        worker(
          "bug",
          () =>
            Effect.zipRight(
              Ref.update(lives, (n) => n + 1),
              Effect.dieMessage("bug")
            ),
          { restartsMax: 1 }
        )
      )
      for (let i = 0; i < 5; i++) yield* pass(1_000)
      expect(yield* Ref.get(lives)).toBe(2)
    })
  )

  check("stops children in reverse order, letting each finish first", () =>
    Effect.gen(function* () {
      const log = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (text: string) => Ref.update(log, (lines) => [...lines, text])
      const ready = yield* Deferred.make<void>()
      const component = (name: string) =>
        worker(name, (self) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => note(`${name} closed`))
            yield* self.onStop(note(`${name} finished`))
            yield* self.running()
            if (name === "second") yield* Deferred.succeed(ready, undefined)
            return yield* Effect.never
          })
        )
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.zipRight(
            Supervisor.start(branch("node", [component("first"), component("second")])),
            Effect.never
          )
        )
      )
      yield* Deferred.await(ready)
      yield* Fiber.interrupt(fiber)
      expect(yield* Ref.get(log)).toEqual([
        "second finished",
        "second closed",
        "first finished",
        "first closed"
      ])
    })
  )

  check("does not wait for a component that will not stop", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.zipRight(
            Supervisor.start(
              worker("stubborn", () =>
                Effect.uninterruptible(
                  Effect.zipRight(Deferred.succeed(started, undefined), Effect.sleep(3_600_000))
                )
              )
            ),
            Effect.never
          )
        )
      )
      yield* Deferred.await(started)
      const stopping = yield* Effect.fork(Fiber.interrupt(fiber))
      for (let i = 0; i < 5; i++) yield* pass(500)
      expect(stopping.unsafePoll()).not.toBeNull()
    })
  )
})
