/** Starts a real redis-server for a test, on a free port of the loopback, and ends it with the scope. */
import { type ChildProcess, spawn } from "node:child_process"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { Effect } from "effect"

export interface RunningRedis {
  readonly url: string
  readonly kill: Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

const notInstalled = "redis-server is not installed: run `apt-get install redis-server`"
const startTimeoutMs = 10_000
/** Another program may have taken the port that was free. */
const startTriesMax = 5

/** Redis takes no port of the system's choice. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const exited = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

const spawnServer = (port: number, password: string | undefined): ChildProcess => {
  const settings = [
    ["--bind", "127.0.0.1"],
    ["--port", String(port)],
    ["--save", ""],
    ["--appendonly", "no"],
    ...(password === undefined ? [] : [["--requirepass", password]])
  ].flat()
  const child = spawn("redis-server", settings, { stdio: ["ignore", "pipe", "ignore"] })
  // A test that runs into its time limit never closes its scope.
  const killWithTest = () => void child.kill("SIGKILL")
  process.once("exit", killWithTest)
  child.once("exit", () => process.off("exit", killWithTest))
  return child
}

/** Waits for the line by which the server says that it listens. */
const ready = (child: ChildProcess) =>
  Effect.async<void, "exited">((resume) => {
    let output = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8")
      if (output.includes("Ready to accept connections")) resume(Effect.void)
    })
    child.once("error", () => resume(Effect.die(new Error(notInstalled))))
    child.once("exit", () => resume(Effect.fail("exited")))
  }).pipe(Effect.timeoutFail({ duration: startTimeoutMs, onTimeout: () => "exited" as const }))

const stop = (child: ChildProcess) =>
  Effect.suspend(() => {
    child.kill("SIGKILL")
    return child.pid === undefined ? Effect.void : exited(child)
  })

export const redisServer = (password?: string) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const port = yield* freePort
      const child = spawnServer(port, password)
      yield* Effect.tapErrorCause(ready(child), () => stop(child))
      return { child, port }
    }).pipe(
      Effect.retry({ times: startTriesMax - 1 }),
      Effect.orDieWith(() => new Error("redis-server does not start"))
    ),
    ({ child }) => stop(child)
  ).pipe(
    Effect.map(
      ({ child, port }): RunningRedis => ({
        url: `redis://127.0.0.1:${port}`,
        kill: stop(child),
        signal: (signal) => Effect.sync(() => void child.kill(signal))
      })
    )
  )
