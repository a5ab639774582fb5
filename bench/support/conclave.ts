/** A running system for a benchmark: the program a user starts, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface RunningConclave {
  readonly pid: number
  readonly directory: string
  /** The lines on standard output, as they come. */
  readonly lines: AsyncIterable<string>
  readonly exited: Promise<number | null>
  /** Rejects when it ends. */
  readonly failed: Promise<never>
  /** SIGTERM, and wait; then the folder is removed. */
  readonly stop: () => Promise<void>
}

export const startConclave = (root: string, args: ReadonlyArray<string>): RunningConclave => {
  const directory = mkdtempSync(join(tmpdir(), "conclave-bench-"))
  const child: ChildProcess = spawn(
    process.execPath,
    [join(root, "dist", "cli.js"), "up", "--json", "--data-directory", directory, ...args],
    { stdio: ["ignore", "pipe", "pipe"] }
  )
  let said = ""
  child.stderr?.on("data", (chunk) => {
    said = (said + String(chunk)).slice(-2_000)
  })
  const exited = new Promise<number | null>((resolve) =>
    child.once("exit", (code) => {
      if (code !== 0 && code !== null) process.stderr.write(said)
      resolve(code)
    })
  )
  const failed = exited.then((code): never => {
    throw new Error(`conclave ended with ${code}`)
  })
  failed.catch(() => undefined)
  const stdout = child.stdout
  if (stdout === null) throw new Error("no standard output")
  return {
    pid: child.pid as number,
    directory,
    lines: createInterface({ input: stdout }),
    exited,
    failed,
    stop: async () => {
      child.kill("SIGTERM")
      await exited
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** The folder of the system's one run, once it is there. */
export const runDirectory = (directory: string): string | undefined => {
  const runs = join(directory, "node", "runs")
  const [run] = existsSync(runs) ? readdirSync(runs) : []
  return run === undefined ? undefined : join(runs, run)
}

/** Resident memory of a process in bytes; undefined when it is gone, or where there is no /proc. */
export const residentBytes = (pid: number): number | undefined => {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1])
    return pages * 4096
  } catch {
    return undefined
  }
}
