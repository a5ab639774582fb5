/** However a process of the system ends, what it started ends with it. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick } from "../support/bars.ts"
import {
  canFindProcesses,
  conclave,
  killPid,
  type Line,
  linesOf,
  type Running,
  runConclave,
  until
} from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

const simulated = (directory: string, ...extra: ReadonlyArray<string>) => [
  ...["up", "--instruments", "3", "--seed", "2", "--json", "--data-directory", directory],
  ...quick,
  ...extra
]
const endless = ["--speed", "max", "--as-ofs", "1000000"]

const commandsOf = (running: Running) =>
  running.family().map(({ command }) => /nats-server|model-host|cli\.js|conclave\.mjs/.exec(command)?.[0])

const pidOf = (running: Running, what: string) =>
  running.family().find(({ command }) => command.includes(what) && !command.startsWith("sh"))?.pid

const untilGone = (running: Running) =>
  until("the end of all processes", () => running.family().length === 0, { of: running, timeoutMs: 8_000 })

/** A system at work with everything that it starts. */
const atWork = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const up = yield* conclave(args)
    yield* until("decisions", () => up.lines().length > 20, { of: up })
    expect(commandsOf(up)).toEqual(expect.arrayContaining(["conclave.mjs", "cli.js", "model-host"]))
    if (args.includes("nats")) expect(commandsOf(up)).toContain("nats-server")
    return up
  })

const dataDirectory = Effect.map(temporaryDirectory, (directory) => join(directory, "data"))
const decisionsOf = (lines: ReadonlyArray<Line>) => lines.filter(({ type }) => type === "decision")

describe.skipIf(!canFindProcesses)("what a process has started", () => {
  for (const transport of ["in-process", "nats"]) {
    it.scopedLive(
      `ends when its launcher is killed (${transport})`,
      () =>
        Effect.gen(function* () {
          const up = yield* atWork(simulated(yield* dataDirectory, ...endless, "--transport", transport))
          yield* up.signal("SIGKILL")
          yield* untilGone(up)
        }),
      60_000
    )
  }

  it.scopedLive(
    "ends when its node is killed, which is started again within a budget and then given up",
    () =>
      Effect.gen(function* () {
        const quickly = ["--transport", "nats", "--lease.ttl-ms", "500"]
        const up = yield* atWork(simulated(yield* dataDirectory, ...endless, ...quickly))
        for (let kills = 1; kills <= 6; kills++) {
          const before = up.family().filter(({ pid }) => pid !== up.pid)
          killPid(pidOf(up, "cli.js") as number)
          const gone = () => {
            const alive = new Set(up.family().map(({ pid }) => pid))
            return before.every(({ pid }) => !alive.has(pid))
          }
          yield* until("the end of the node's children", gone, { of: up, timeoutMs: 8_000 })
          if (kills === 6) break
          const seen = up.lines().length
          yield* until(`decisions after kill ${kills}`, () => up.lines().length > seen + 20, { of: up })
        }
        const { code, stderr, stdout } = yield* up.ended
        expect(code).toBe(70)
        expect(stderr).toMatch(/the node ended by SIGKILL, 5 restarts did not help; giving up\n$/)
        expect(up.family()).toEqual([])
        const ids = linesOf({ stdout: stdout.slice(0, stdout.lastIndexOf("\n") + 1) }).map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
      }),
    120_000
  )
})

describe.skipIf(!canFindProcesses)("a system that is asked to stop", () => {
  it.scopedLive(
    "under load prints what it has decided, ends with code 0 and goes on later as if nothing had been",
    () =>
      Effect.gen(function* () {
        const length = ["--speed", "max", "--as-ofs", "160"]
        const whole = linesOf(yield* runConclave(simulated(yield* dataDirectory, ...length)))
        const args = simulated(yield* dataDirectory, ...length)
        const up = yield* atWork(args)
        yield* up.signal("SIGTERM")
        const { code, stderr, stdout } = yield* up.ended
        expect({ code, stderr: stderr.replace(/^conclave: (run|bundling) .*\n/gm, "") }).toEqual({
          code: 0,
          stderr: ""
        })
        expect(up.family()).toEqual([])
        const rest = yield* runConclave([...args, "--resume"])
        expect(rest.code).toBe(0)
        const printed = [...decisionsOf(linesOf({ stdout })), ...decisionsOf(linesOf(rest))]
        expect(printed.map(({ id }) => id)).toEqual(decisionsOf(whole).map(({ id }) => id))
        const { wallTimeMs: _, ...result } = linesOf(rest).at(-1) as Line
        expect(whole.at(-1)).toMatchObject(result)
      }),
    90_000
  )

  for (const transport of ["in-process", "nats"]) {
    it.scopedLive(
      `by Ctrl-C ends with code 0 and leaves nothing behind (${transport})`,
      () =>
        Effect.gen(function* () {
          const paced = ["--speed", "300x", "--transport", transport]
          const up = yield* atWork(simulated(yield* dataDirectory, ...paced))
          yield* up.signalGroup("SIGINT")
          const { code, stderr } = yield* up.ended
          expect({ code, stderr: stderr.replace(/^conclave: (run|bundling) .*\n/gm, "") }).toEqual({
            code: 0,
            stderr: ""
          })
          expect(up.family()).toEqual([])
        }),
      60_000
    )
  }
})
