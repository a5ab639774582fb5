/**
 * The launcher: a small process without Effect that starts the node, starts it again when it dies, within a budget,
 * and passes on signals. The node holds the other end of a pipe and ends when the launcher does.
 *
 * Exit codes of a node: 0 it is done; 1 somebody has to change something first (it is not started again); all
 * others, and death by a signal, are failures.
 */
import { spawn } from "node:child_process"

export interface LaunchOptions {
  /** The node's program. */
  readonly script: string
  readonly args: ReadonlyArray<string>
}

/** Restarts within the window, before the launcher gives up as well. */
const restartsMax = 5
const windowMs = 60_000
const backoffMs = 200
const backoffMaxMs = 5_000
/** Exit code when the budget is spent. */
export const exitGivenUp = 70
/** Set in the node's environment: descriptor 3 is the pipe. */
export const launchedVariable = "CONCLAVE_LAUNCHED"

interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const runOnce = (
  options: LaunchOptions,
  isRestart: boolean,
  onChild: (kill: (signal: NodeJS.Signals) => void) => void
) =>
  new Promise<Ending>((resolve) => {
    // What died in the middle goes on where it was.
    const args =
      isRestart && !options.args.includes("--resume") ? [...options.args, "--resume"] : options.args
    const child = spawn(process.execPath, ["--enable-source-maps", options.script, ...args], {
      stdio: ["inherit", "inherit", "inherit", "pipe"],
      env: { ...process.env, [launchedVariable]: "1" }
    })
    onChild((signal) => child.kill(signal))
    child.once("error", (cause) => {
      process.stderr.write(`conclave: the node cannot be started: ${cause.message}\n`)
      resolve({ code: exitGivenUp, signal: null })
    })
    child.once("exit", (code, signal) => resolve({ code, signal }))
  })

/** Runs the node until it is done; the exit code is the launcher's. */
export const launch = async (options: LaunchOptions): Promise<number> => {
  let isStopping = false
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  for (const signal of ["SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      isStopping = true
      kill(signal)
    })
  }
  // A terminal sends it to the node as well.
  process.on("SIGINT", () => {
    isStopping = true
  })

  let restarts: Array<number> = []
  for (let isRestart = false; ; isRestart = true) {
    const { code, signal } = await runOnce(options, isRestart, (own) => {
      kill = own
    })
    if (code === 0 || code === 1) return code
    if (isStopping) return code ?? 0
    const now = performance.now()
    restarts = restarts.filter((at) => now - at < windowMs)
    const reason = signal === null ? `with code ${code}` : `by ${signal}`
    if (restarts.length >= restartsMax) {
      process.stderr.write(
        `conclave: the node ended ${reason}, ${restartsMax} restarts did not help; giving up\n`
      )
      return exitGivenUp
    }
    process.stderr.write(`conclave: the node ended ${reason}; starting it again\n`)
    const pause = Math.min(backoffMs * 2 ** restarts.length, backoffMaxMs)
    restarts.push(now)
    // The launcher has no Effect and no clock of its own to be tested with: a plain timer.
    await new Promise((resume) => setTimeout(resume, pause))
    if (isStopping) return 0
  }
}
