/**
 * Runs the program as its users do, from the checkout, and ends with the scope everything that it started. What
 * belongs to it is known by a variable in its environment, which children inherit: also those that have lost
 * their parent are found.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"

export const root = fileURLToPath(new URL("../..", import.meta.url))
const script = join(root, "scripts", "conclave.mjs")

const markVariable = "PROCESSES_OF_TEST"
const pollEveryMs = 20

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A line of `--json`. */
export interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Process {
  readonly pid: number
  readonly command: string
}

export interface Running {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  /** Lines of standard output that are complete. */
  readonly lines: () => ReadonlyArray<Line>
  /** Waits until it has ended and everything it said has been read. */
  readonly ended: Effect.Effect<Ended>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** As a terminal does it: to everything in the foreground. */
  readonly signalGroup: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** What is alive of everything that it started, itself included. */
  readonly family: () => ReadonlyArray<Process>
  /** SIGKILL to all of it, the launcher first, so that nothing is started again. */
  readonly killAll: Effect.Effect<void>
}

/** Whether processes can be found by their environment here. */
export const canFindProcesses = existsSync("/proc/self/environ")

const readProcess = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8")
  } catch {
    return ""
  }
}

/** A zombie has no environment any more. */
const processesMarked = (mark: string): ReadonlyArray<Process> =>
  !canFindProcesses
    ? []
    : readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name) && readProcess(name, "environ").includes(mark))
        .map((name) => ({
          pid: Number(name),
          command: readProcess(name, "cmdline").split("\0").join(" ").trim()
        }))
        .sort((a, b) => a.pid - b.pid)

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export const killPid = (pid: number, signal: NodeJS.Signals = "SIGKILL") => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has gone by itself.
  }
}

// A test that runs into its time limit never closes its scope.
const marks = new Set<string>()
process.once("exit", () => {
  for (const mark of marks) for (const { pid } of processesMarked(mark)) killPid(pid)
})

const parseLines = (text: string): ReadonlyArray<Line> =>
  text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)

/** Where runs and trials go that are given no other place: not to those of whoever runs the tests. */
const home = mkdtempSync(join(tmpdir(), "conclave-tests-"))
process.once("exit", () => rmSync(home, { recursive: true, force: true }))

/** Of what a test runs, the environment of whoever runs the test changes nothing. */
const environment = (extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(CONCLAVE|AI|DL|RL|MODEL)_|^NATS_URL$|^VITEST|^NODE_OPTIONS$/.test(name)
  )
  return { ...Object.fromEntries(inherited), CONCLAVE_NODE_DATA_DIRECTORY: home, ...extra }
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Takes the lines of standard output one by one; they are not kept then. */
  readonly onLine?: (line: string) => void
}

const startProgram = (
  program: string,
  args: ReadonlyArray<string>,
  options: StartOptions = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const value = randomBytes(12).toString("hex")
        const mark = `${markVariable}=${value}`
        marks.add(mark)
        const child: ChildProcess = spawn(program, args, {
          cwd: options.cwd ?? root,
          stdio: ["ignore", "pipe", "pipe"],
          env: environment({ ...options.environment, [markVariable]: value }),
          // A group of its own, as a job of a shell has it.
          detached: true
        })
        /** Hands over the lines that are complete; gives the rest. */
        const hand = (text: string): string => {
          const lines = text.split("\n")
          const rest = lines.pop() as string
          try {
            for (const line of lines) options.onLine?.(line)
          } catch (cause) {
            state.failure ??= cause as Error
          }
          return rest
        }
        const state = { stdout: "", stderr: "", failure: undefined as Error | undefined }
        for (const stream of ["stdout", "stderr"] as const) {
          child[stream]?.setEncoding("utf8").on("data", (text: string) => {
            state[stream] += text
            if (stream === "stdout" && options.onLine !== undefined) state.stdout = hand(state.stdout)
          })
        }
        child.once("error", (cause) => {
          state.failure = cause
        })
        const closed = new Promise<Ended>((resolve, reject) => {
          child.once("error", reject)
          child.once("close", (code, signal) => {
            if (state.failure !== undefined) return reject(state.failure)
            resolve({ code, signal, stdout: state.stdout, stderr: state.stderr })
          })
        })
        closed.catch(() => undefined)
        return { child, closed, mark, state }
      }),
      ({ child, mark }) =>
        Effect.sync(() => {
          child.kill("SIGKILL")
          for (const { pid } of processesMarked(mark)) killPid(pid)
          marks.delete(mark)
        })
    ),
    ({ child, closed, mark, state }): Running => {
      const pid = child.pid as number
      let parsed = { of: -1, lines: [] as ReadonlyArray<Line> }
      return {
        pid,
        stdout: () => state.stdout,
        stderr: () => state.stderr,
        lines: () => {
          const { length } = state.stdout
          if (parsed.of !== length) parsed = { of: length, lines: parseLines(state.stdout) }
          return parsed.lines
        },
        ended: Effect.promise(() => closed),
        signal: (signal) => Effect.sync(() => killPid(pid, signal)),
        signalGroup: (signal) => Effect.sync(() => killPid(-pid, signal)),
        family: () => processesMarked(mark),
        killAll: Effect.sync(() => {
          killPid(pid)
          for (const { pid: other } of processesMarked(mark)) killPid(other)
        })
      }
    }
  )

/** Starts `conclave` with these arguments. */
export const conclave = (args: ReadonlyArray<string>, options: StartOptions = {}) =>
  startProgram(process.execPath, [script, ...args], options)

/** The same by `npm start --`. */
export const npmStart = (args: ReadonlyArray<string>, options: StartOptions = {}) =>
  startProgram("npm", ["start", "--", ...args], options)

/** Runs it to its end. */
export const runConclave = (args: ReadonlyArray<string>, options: StartOptions = {}) =>
  Effect.scoped(Effect.flatMap(conclave(args, options), ({ ended }) => ended))

export const linesOf = ({ stdout }: { readonly stdout: string }): ReadonlyArray<Line> => parseLines(stdout)

/** Waits for a condition, and says what was waited for when it does not come. */
export const until = <A>(
  what: string,
  condition: () => A | undefined | false | null,
  options: { readonly timeoutMs?: number; readonly of?: Running } = {}
): Effect.Effect<A> => {
  const timeoutMs = options.timeoutMs ?? 30_000
  const look: Effect.Effect<A> = Effect.suspend(() => {
    const found = condition()
    return found === undefined || found === false || found === null
      ? Effect.zipRight(Effect.sleep(pollEveryMs), look)
      : Effect.succeed(found)
  })
  return look.pipe(
    Effect.timeoutFail({
      duration: timeoutMs,
      onTimeout: () => {
        const { of } = options
        const said =
          of === undefined
            ? ""
            : `; stderr:\n${of.stderr().slice(-2_000)}\nstdout:\n${of.stdout().slice(-500)}`
        return new Error(`waited ${timeoutMs} ms in vain for ${what}${said}`)
      }
    }),
    Effect.orDie
  )
}

/** The same for a question that takes its time. */
export const untilAnswered = <A, E, R>(
  what: string,
  ask: Effect.Effect<A | undefined, E, R>,
  timeoutMs = 30_000
): Effect.Effect<A, E, R> => {
  const look: Effect.Effect<A, E, R> = Effect.flatMap(ask, (found) =>
    found === undefined ? Effect.zipRight(Effect.sleep(pollEveryMs), look) : Effect.succeed(found)
  )
  return look.pipe(
    Effect.timeoutFail({
      duration: timeoutMs,
      onTimeout: () => new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    }),
    Effect.catchIf((error) => error instanceof Error && /in vain/.test(error.message), Effect.die)
  ) as Effect.Effect<A, E, R>
}
