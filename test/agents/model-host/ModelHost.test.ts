import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, ExecutionStrategy, Exit, Fiber, Queue, Scope } from "effect"
import { ModelHost, type OpinionBatch } from "../../../src/agents/model-host/ModelHost.ts"
import type { ProviderChoice } from "../../../src/agents/model-host/Provider.ts"
import { emitLinear, evaluateLinear } from "../../../src/learning/LinearOpinion.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import type { Component } from "../../../src/runtime/Supervisor.ts"
import { randomCalibrator, randomRows } from "../../learning/opinions.ts"
import { bundled } from "../../support/bundle.ts"
import { isAlive, runProgram, untilGone } from "../../support/program.ts"

const columns = 3
const rowCount = 5

/** An artefact, rows to ask it about, and what it has to answer. */
const makeCase = (name: string) => {
  const random = keyedRandom("model host", name)
  const vector = (draw: () => number) => Float64Array.from({ length: columns }, draw)
  const model = {
    means: vector(random.normal),
    deviations: vector(() => 0.5 + random.next()),
    coefficients: vector(random.normal),
    intercept: random.normal() / 4,
    calibrator: randomCalibrator(random),
    featureNames: ["a", "b", "c"],
    featureSchemaVersion: 1
  }
  const rows = randomRows(random, rowCount, columns)
  const batch: OpinionBatch = {
    rows: rowCount,
    columns,
    features: Float32Array.from(rows.flatMap((row) => [...row.features])),
    sigma: Float32Array.from(rows, (row) => row.sigma),
    band: Float32Array.from(rows, (row) => row.band)
  }
  const artefact = emitLinear(model)
  let asked = 0
  return {
    artefact,
    digest: sha256(artefact),
    batch,
    /** How often the artefact has been asked for. */
    asked: () => asked,
    given: Effect.sync(() => {
      asked++
      return artefact
    }),
    expected: rows.map((row) => evaluateLinear(model, row.features, row))
  }
}

type Case = ReturnType<typeof makeCase>
type Host = typeof ModelHost.Service

const ask = (host: Host, one: Case) => host.opine(one.digest, one.given, one.batch)

const expectRight = (one: Case, answer: Effect.Effect.Success<ReturnType<Host["opine"]>>) => {
  one.expected.forEach(({ expectedReturn, probabilities, spread }, i) => {
    const at = [...answer.probabilities.subarray(3 * i, 3 * i + 3)]
    const want = [probabilities.sell, probabilities.hold, probabilities.buy]
    for (let k = 0; k < 3; k++) expect(at[k]).toBeCloseTo(want[k] as number, 5)
    expect(answer.expectedReturn[i]).toBeCloseTo(expectedReturn, 5)
    expect(answer.spread[i]).toBeCloseTo(spread, 5)
  })
}

/** One life of the child. */
const begin = (host: Host) =>
  Effect.gen(function* () {
    const running = yield* Deferred.make<number>()
    const details = yield* Queue.unbounded<string>()
    const component: Component = {
      running: (detail = "") =>
        Effect.zipRight(
          Queue.offer(details, detail),
          Deferred.succeed(running, Number(detail.split(" ")[1]))
        ),
      standby: () => Effect.void,
      watchMailbox: () => Effect.void,
      onStop: () => Effect.void
    }
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const life = yield* Effect.fork(Scope.extend(host.live(component), scope))
    const ended = Fiber.join(life)
    const pid = yield* Effect.raceFirst(Deferred.await(running), ended)
    return {
      pid,
      ended,
      details,
      close: Effect.zipRight(Fiber.interrupt(life), Scope.close(scope, Exit.void))
    }
  })

const script = bundled("src/agents/model-host/main.ts")

const makeHost = (sessionsMax = 8, provider: ProviderChoice = "cpu") =>
  Effect.flatMap(script, (path) =>
    Effect.provide(
      ModelHost,
      ModelHost.layer({
        script: path,
        sessionsMax,
        memoryBytesMax: 2 * 1024 * 1024 * 1024,
        runMsMax: 10_000,
        provider,
        trialsAfterMs: 0
      })
    )
  )

describe("the model host", () => {
  it.scopedLive("answers as the model's reference does, and asks for an artefact once", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      yield* begin(host)
      const [one, two] = [makeCase("one"), makeCase("two")]
      for (const each of [one, two, one, two]) expectRight(each, yield* ask(host, each))
      expect([one.asked(), two.asked()]).toEqual([1, 1])
    })
  )

  it.scopedLive("keeps a request waiting until there is a child", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      const one = makeCase("early")
      const asking = yield* Effect.fork(ask(host, one))
      yield* Effect.yieldNow()
      expect(asking.unsafePoll()).toBeNull()
      yield* begin(host)
      expectRight(one, yield* Fiber.join(asking))
    })
  )

  it.scopedLive("refuses an artefact whose digest is another, and serves on", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      const { pid } = yield* begin(host)
      const one = makeCase("one")
      for (const damage of ["flipped", "truncated", "empty"] as const) {
        const bytes = Uint8Array.from(one.artefact)
        const at = bytes.length >> 1
        bytes[at] = (bytes[at] as number) ^ 1
        const damaged = { flipped: bytes, truncated: one.artefact.slice(0, 100), empty: new Uint8Array(0) }[
          damage
        ]
        const error = yield* Effect.flip(host.opine(one.digest, Effect.succeed(damaged), one.batch))
        expect(error).toMatchObject({ _tag: "ChildFailed", child: "model-host" })
        expect(error.reason).toBe(`the artefact's digest is ${sha256(damaged)}, not ${one.digest}`)
      }
      expectRight(one, yield* ask(host, one))
      expect(isAlive(pid)).toBe(true)
    })
  )

  it.scopedLive("refuses what is no model though its digest is right, and serves on", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      const { pid } = yield* begin(host)
      const one = makeCase("one")
      const random = keyedRandom("garbage")
      const garbage = [
        new Uint8Array(0),
        Uint8Array.from({ length: 5_000 }, () => random.int(256)),
        one.artefact.slice(0, one.artefact.length - 200)
      ]
      for (const bytes of garbage) {
        const error = yield* Effect.flip(host.opine(sha256(bytes), Effect.succeed(bytes), one.batch))
        expect(error._tag).toBe("ChildFailed")
        expect(error.reason).not.toBe("undefined")
      }
      expectRight(one, yield* ask(host, one))
      expect(isAlive(pid)).toBe(true)
    })
  )

  it.scopedLive("refuses questions of another shape than the model's, and serves on", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      yield* begin(host)
      const one = makeCase("one")
      const narrow = { ...one.batch, columns: 2, features: one.batch.features.slice(0, rowCount * 2) }
      expect((yield* Effect.flip(host.opine(one.digest, one.given, narrow)))._tag).toBe("ChildFailed")
      const short = { ...one.batch, band: one.batch.band.slice(1) }
      expect((yield* Effect.flip(host.opine(one.digest, one.given, short)))._tag).toBe("ChildFailed")
      expectRight(one, yield* ask(host, one))
    })
  )

  it.scopedLive("gives the failure to fetch an artefact to its caller", () =>
    Effect.gen(function* () {
      const host = yield* makeHost()
      yield* begin(host)
      const one = makeCase("one")
      expect(yield* Effect.flip(host.opine(one.digest, Effect.fail("gone" as const), one.batch))).toBe("gone")
      expectRight(one, yield* ask(host, one))
    })
  )

  it.scopedLive(
    "is replaced when it is killed: who waited gets a typed error, who comes later an answer",
    () =>
      Effect.gen(function* () {
        const host = yield* makeHost()
        const one = makeCase("one")
        const first = yield* begin(host)
        expectRight(one, yield* ask(host, one))
        // Stopped first, so that the request is with it when it dies.
        process.kill(first.pid, "SIGSTOP")
        const caught = yield* Effect.fork(Effect.flip(ask(host, one)))
        yield* Effect.yieldNow()
        process.kill(first.pid, "SIGKILL")
        expect(yield* Fiber.join(caught)).toMatchObject({
          _tag: "ChildFailed",
          reason: "it ended with SIGKILL"
        })
        expect((yield* Effect.flip(first.ended))._tag).toBe("ChildFailed")
        yield* first.close
        const later = yield* Effect.fork(ask(host, one))
        const second = yield* begin(host)
        expect(second.pid).not.toBe(first.pid)
        expectRight(one, yield* Fiber.join(later))
        expect(one.asked()).toBe(2)
      })
  )

  it.scopedLive("serves more models than it may hold, one after the other and all at once", () =>
    Effect.gen(function* () {
      const host = yield* makeHost(2)
      yield* begin(host)
      const cases = ["a", "b", "c", "d", "e"].map(makeCase)
      for (const one of [...cases, ...cases]) expectRight(one, yield* ask(host, one))
      expect(cases.map((one) => one.asked())).toEqual([2, 2, 2, 2, 2])
      const answers = yield* Effect.forEach([...cases, ...cases], (one) => ask(host, one), {
        concurrency: "unbounded"
      })
      answers.forEach((answer, i) => {
        expectRight(cases[i % cases.length] as Case, answer)
      })
    })
  )

  it.scopedLive("serves on the CPU beside the trials of other providers, and says what they came to", () =>
    Effect.gen(function* () {
      for (const provider of ["auto", "webgpu"] as const) {
        const host = yield* makeHost(8, provider)
        const { details } = yield* begin(host)
        const one = makeCase("one")
        expectRight(one, yield* ask(host, one))
        const said = yield* Queue.take(details).pipe(
          Effect.repeat({ until: (detail) => detail.includes("webgpu") })
        )
        expect(said).toMatch(/on cpu(, webgpu for 0 of 0 models|.*; webgpu: [a-z-]+)/)
        // Again, and after a comparison where there is something to compare with.
        for (let i = 0; i < 3; i++) expectRight(one, yield* ask(host, one))
      }
    })
  )

  it.scopedLive("ends with the life that it was started in", () =>
    Effect.gen(function* () {
      const { close, pid } = yield* begin(yield* makeHost())
      yield* close
      yield* untilGone(pid)
    })
  )

  it.scopedLive("ends by itself when its parent is killed", () =>
    Effect.gen(function* () {
      const parent = `
        const child = require("node:child_process").spawn(process.execPath, [process.argv[1], "4"], {
          stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true
        })
        child.stdio[3].once("data", () => console.log(child.pid))
        setInterval(() => {}, 1000)`
      const program = yield* runProgram("-e", [parent, yield* script])
      const pid = Number(yield* program.says(() => true))
      expect(isAlive(pid)).toBe(true)
      yield* program.kill
      yield* untilGone(pid)
    })
  )
})
