/** Starts a real nats-server for a test, on a free port of the loopback, and ends it with the scope. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Schedule } from "effect"

export interface RunningNats {
  readonly url: string
  readonly port: number
  readonly pid: () => number
  /** SIGKILL, and wait until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Starts it again on the same port and store. */
  readonly restart: Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

const notInstalled = "nats-server is not installed: run `apt-get install nats-server`, or `npm test` as root"

const spawnServer = (directory: string, port: number): Server => {
  const child = spawn(
    "nats-server",
    [
      "-a",
      "127.0.0.1",
      "-p",
      String(port),
      "-js",
      "-sd",
      join(directory, "store"),
      "-c",
      join(directory, "nats.conf")
    ],
    { stdio: "ignore" }
  )
  const server: Server = { child, failure: undefined }
  // A test that runs into its time limit never closes its scope.
  const killWithTest = () => void child.kill("SIGKILL")
  process.once("exit", killWithTest)
  child.once("exit", () => process.off("exit", killWithTest))
  child.once("error", () => {
    server.failure = new Error(notInstalled)
  })
  return server
}

const readPort = (directory: string, pid: number | undefined): number | undefined => {
  const path = join(directory, "ports", `nats-server_${pid}.ports`)
  const content = existsSync(path) ? readFileSync(path, "utf8") : ""
  if (content === "") return undefined
  const ports = JSON.parse(content) as { nats: ReadonlyArray<string> }
  return Number(new URL(ports.nats[0] as string).port)
}

const retryEvery20Ms = Schedule.spaced("20 millis")

/** The child, or why it cannot be. */
interface Server {
  readonly child: ChildProcess
  failure: Error | undefined
}

const waitForPort = (directory: string, server: () => Server) =>
  Effect.suspend(() => {
    const { child, failure } = server()
    if (failure !== undefined) return Effect.die(failure)
    if (child.exitCode !== null) return Effect.die(new Error(`nats-server exited with ${child.exitCode}`))
    const port = readPort(directory, child.pid)
    return port === undefined ? Effect.fail("not yet" as const) : Effect.succeed(port)
  }).pipe(Effect.retry({ schedule: retryEvery20Ms, times: 500 }), Effect.orDie)

const exited = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

export const natsServer = Effect.acquireRelease(
  Effect.gen(function* () {
    const directory = mkdtempSync(join(tmpdir(), "conclave-nats-"))
    mkdirSync(join(directory, "ports"))
    writeFileSync(join(directory, "nats.conf"), `ports_file_dir: "${join(directory, "ports")}"\n`)
    let server = spawnServer(directory, -1)
    const port = yield* waitForPort(directory, () => server)
    const stop = (signal: NodeJS.Signals) =>
      Effect.suspend(() => {
        server.child.kill(signal)
        return exited(server.child)
      })
    return {
      directory,
      stop,
      running: {
        url: `nats://127.0.0.1:${port}`,
        port,
        pid: () => server.child.pid as number,
        kill: stop("SIGKILL"),
        restart: Effect.suspend(() => {
          server = spawnServer(directory, port)
          return Effect.asVoid(waitForPort(directory, () => server))
        }),
        signal: (signal) => Effect.sync(() => void server.child.kill(signal))
      } satisfies RunningNats
    }
  }),
  ({ directory, stop }) =>
    Effect.zipRight(
      stop("SIGKILL"),
      Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
).pipe(Effect.map(({ running }): RunningNats => running))
