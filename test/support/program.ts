/** Runs a bundled program as a process that says things in lines, and ends it with the scope. */
import { spawn } from "node:child_process"
import { Effect, Schedule } from "effect"

export interface Program {
  readonly pid: number
  readonly lines: () => ReadonlyArray<string>
  /** Waits for a line, also one that has been said already. */
  readonly says: (what: (line: string) => boolean) => Effect.Effect<string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** SIGKILL, and wait until it is gone. */
  readonly kill: Effect.Effect<void>
}

export const runProgram = (script: string, args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] })
        // A test that runs into its time limit never closes its scope.
        const killWithTest = () => void child.kill("SIGKILL")
        process.once("exit", killWithTest)
        let text = ""
        const said: Array<string> = []
        const listeners = new Set<() => void>()
        child.stdout.setEncoding("utf8").on("data", (part: string) => {
          const parts = (text + part).split("\n")
          text = parts.pop() as string
          said.push(...parts)
          for (const listener of [...listeners]) listener()
        })
        const gone = new Promise<void>((resolve) =>
          child.once("exit", () => {
            process.off("exit", killWithTest)
            resolve()
          })
        )
        return { child, gone, listeners, said }
      }),
      ({ child, gone }) =>
        Effect.suspend(() => {
          child.kill("SIGKILL")
          return Effect.promise(() => gone)
        })
    ),
    ({ child, gone, listeners, said }): Program => ({
      pid: child.pid as number,
      lines: () => said,
      says: (what) =>
        Effect.async<string>((resume) => {
          const look = () => {
            const line = said.find(what)
            if (line === undefined) return
            listeners.delete(look)
            resume(Effect.succeed(line))
          }
          listeners.add(look)
          look()
          return Effect.sync(() => listeners.delete(look))
        }).pipe(Effect.timeout("15 seconds"), Effect.orDie),
      signal: (signal) => Effect.sync(() => void child.kill(signal)),
      kill: Effect.suspend(() => {
        child.kill("SIGKILL")
        return Effect.promise(() => gone)
      })
    })
  )

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export const untilGone = (pid: number) =>
  Effect.suspend(() => (isAlive(pid) ? Effect.fail("alive") : Effect.void)).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeout("5 seconds")
  )
