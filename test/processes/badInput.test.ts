/** What a user gets wrong is one line on standard error that says so, exit code 1, and nothing else. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick, writeBarFile } from "../support/bars.ts"
import { conclave, runConclave, type StartOptions, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

/** @param said what has to be in the line */
const expectRefusal = (args: ReadonlyArray<string>, said: RegExp, options: StartOptions = {}) =>
  Effect.map(runConclave(args, options), ({ code, stderr, stdout }) => {
    const lines = stderr.split("\n").filter((line) => !/^conclave: (run |bundling)/.test(line))
    expect(lines, stderr).toHaveLength(2)
    expect(lines[0]).toMatch(/^conclave: /)
    expect(lines[0]).toMatch(said)
    expect(lines[1]).toBe("")
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  })

/** Many short processes, on a machine that may be busy. */
const timeoutMs = 90_000

const simulated = (directory: string, asOfs = "100000") => [
  ...["up", "--speed", "max", "--instruments", "3", "--seed", "2", "--as-ofs", asOfs, "--json"],
  ...quick,
  ...["--data-directory", directory]
]

/** A port that somebody listens on. */
const occupiedPort = Effect.map(
  Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const server = createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ),
  (server) => (server.address() as { readonly port: number }).port
)

/** Runs until there is something to go on with, then kills it. Gives the folder of the run. */
const killedRun = (args: ReadonlyArray<string>, directory: string, decisions: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const up = yield* conclave(args)
      yield* until(`${decisions} decisions`, () => up.lines().length >= decisions, { of: up })
      yield* up.killAll
      yield* until("the end of everything", () => up.family().length === 0)
      const runs = join(directory, "node", "runs")
      return join(runs, readdirSync(runs)[0] as string)
    })
  )

describe("a bar file", () => {
  it.scopedLive(
    "that is none, is not there, or is mostly bad, is refused",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const refused = (name: string, text: string | undefined, said: RegExp) => {
          const path = join(directory, name)
          if (text !== undefined) writeFileSync(path, text)
          return expectRefusal(["up", "--path", path, "--json", "--data-directory", directory], said)
        }
        yield* refused("other.csv", "name,age\nAda,36\n", /is no bar file/)
        yield* refused("missing.csv", undefined, /there is no such file/)
        yield* refused("empty.csv", "", /it is empty/)
        const good = join(directory, "good.csv")
        writeBarFile(good, { asOfs: 90, instruments: 1 })
        const bad = Array.from({ length: 10 }, () => "2024-01-01T10:00:00Z,ALPHA,1,2,3,4,5\n").join("")
        yield* refused(
          "bad.csv",
          readFileSync(good, "utf8") + bad,
          /10 of 100 rows are refused, 10% where 5%/
        )
      }),
    timeoutMs
  )
})

describe("the configuration", () => {
  it.scopedLive(
    "is refused for a key or a value that there is not",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const file = join(directory, "own.yaml")
        writeFileSync(file, "orchestrator:\n  quorumm: 3\n")
        yield* expectRefusal(["up", "--config", file], /orchestrator\.quorumm: there is no such key/)
        yield* expectRefusal(["up", "--orchestrator.quorumm", "3"], /no key --orchestrator\.quorumm/)
        yield* expectRefusal(
          ["up", "--agents", "oracle"],
          /node\.agents\.0: Expected "all", .*actual "oracle"/
        )
        yield* expectRefusal(["up", "--speed", "fast"], /expected max, real or a factor/)
        yield* expectRefusal(["up", "--nonsense"], /unknown argument/i)
        const slip = { environment: { CONCLAVE_RUN_SED: "3" } }
        yield* expectRefusal(["config", "check"], /CONCLAVE_RUN_SED: there is no such variable/, slip)
        const value = { environment: { CONCLAVE_RUN_SEED: "x" } }
        yield* expectRefusal(["config", "check"], /run\.seed: .*actual "x"/, value)
      }),
    timeoutMs
  )
})

describe("the place to run in", () => {
  it.scopedLive(
    "is refused when there is no server, no run, or another run",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const data = ["--data-directory", directory]
        const port = yield* occupiedPort
        yield* expectRefusal(["up", "--nats", "nats://127.0.0.1:1", ...data], /No NATS server answers/)
        const silent = ["--nats", `nats://127.0.0.1:${port}`, "--bus.connect-timeout-ms", "300"]
        yield* expectRefusal(["up", ...silent, ...data], /No NATS server answers/)
        yield* expectRefusal(["up", "--agents", "broker", ...data], /say by --nats URL/)
        yield* expectRefusal(["status", ...data], /Nothing is running here/)
        yield* expectRefusal(["up", "--resume", ...data], /no run \(none\) to resume/)
        const up = yield* conclave(simulated(directory))
        yield* until("decisions", () => up.lines().length > 0, { of: up })
        yield* expectRefusal(simulated(directory), /in use by another run \(process \d+\)/)
      }),
    timeoutMs
  )

  it.scopedLive(
    "is refused when its database is none",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        mkdirSync(join(directory, "node"))
        writeFileSync(
          join(directory, "node", "lock.db"),
          "no database, but long enough to look at".repeat(99)
        )
        yield* expectRefusal(simulated(directory), /lock\.db cannot be opened as a database/)
      }),
    timeoutMs
  )
})

describe("a run to be resumed", () => {
  it.scopedLive(
    "is refused when a model or the database is damaged, or its inputs are others",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const args = simulated(directory)
        const resume = [...args, "--resume"]
        // The first model comes with about this many.
        const run = yield* killedRun(args, directory, 450)
        yield* expectRefusal([...resume, "--costs.fee-bps", "7"], /cannot be resumed: its configuration/)
        yield* expectRefusal([...resume, "--transport", "nats"], /its journal is in the files of its node/)
        const model = join(run, "models", readdirSync(join(run, "models"))[0] as string)
        const file = openSync(model, "r+")
        writeSync(file, "x", 60)
        closeSync(file)
        yield* expectRefusal(resume, /The model file .*\.onnx is damaged/)
        for (const name of readdirSync(run)) {
          if (name.startsWith("store.db")) writeFileSync(join(run, name), "no database".repeat(500))
        }
        writeFileSync(model, "")
        yield* expectRefusal(resume, /damaged|store\.db cannot be opened as a database/)
      }),
    timeoutMs
  )

  it.scopedLive(
    "is refused when its server's port has been taken",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const args = [...simulated(directory), "--transport", "nats"]
        const run = yield* killedRun(args, directory, 1)
        writeFileSync(join(run, "nats", "port"), String(yield* occupiedPort))
        yield* expectRefusal(
          [...args, "--resume"],
          /nats-server child did not start: .*address already in use/
        )
      }),
    timeoutMs
  )
})

describe("a question", () => {
  it.scopedLive(
    "about what is not known, or not yet, is refused",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const up = yield* conclave([...simulated(directory, "0"), "--speed", "60x"])
        yield* until("decisions", () => up.lines().length > 0, { of: up })
        const how = ["--data-directory", directory]
        yield* expectRefusal(["decide", "NOPE", ...how], /"NOPE" is not known here\. Known: ALPHA, BRAVO/)
        yield* expectRefusal(["decide", "ALPHA", "--as-of", "2100-01-01", ...how], /is in the future/)
        yield* expectRefusal(["decide", "ALPHA", "--as-of", "soon", ...how], /as-of "soon" is no instant/)
        yield* expectRefusal(["decide", "ALPHA", "--as-of", "1", ...how], /No decision .* is recorded/)
        yield* expectRefusal(["decide", "ALPHA", "--horizon", "0", ...how], /horizon/)
        yield* expectRefusal(["decisions", "NOPE", ...how], /"NOPE" is not known here/)
        yield* expectRefusal(["decisions", "--latest", "-1", ...how], /latest/)
        yield* expectRefusal(["replay", "abcdefgh", ...how], /"abcdefgh" is no decision id/)
        yield* expectRefusal(["replay", "0".repeat(32), ...how], /No decision 0+ is recorded/)
        yield* expectRefusal(["stop", ...how], /Say what to stop/)
      }),
    timeoutMs
  )
})
