/** PyTorch beside ours, in a process of its own, where some Python has it. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface Torch {
  readonly build: string
  readonly ask: (work: object) => Promise<number>
  readonly end: () => void
}

const candidates = ["python3", "/usr/bin/python3"]

const pythonWithTorch = (): string | undefined =>
  candidates.find((python) => spawnSync(python, ["-c", "import torch"], { stdio: "ignore" }).status === 0)

export const startTorch = async (root: string): Promise<Torch | undefined> => {
  const python = pythonWithTorch()
  if (python === undefined) return undefined
  const child: ChildProcessWithoutNullStreams = spawn(python, [
    join(root, "bench", "support", "torchWorks.py")
  ])
  child.stderr.pipe(process.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error("PyTorch's process has ended")
    return value
  }
  const { libraries, version } = JSON.parse(await next()) as {
    readonly libraries: ReadonlyArray<string>
    readonly version: string
  }
  return {
    build: `PyTorch ${version} on ${libraries.join(", ") || "a library that cannot be told"}`,
    ask: async (work) => {
      child.stdin.write(`${JSON.stringify(work)}\n`)
      return Number(await next())
    },
    end: () => void child.stdin.end()
  }
}
