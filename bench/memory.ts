/** Resident memory of the node while an hour of one-second bars flows through it, beside Node alone. */
import { spawn } from "node:child_process"
import { residentBytes, startConclave } from "./support/conclave.ts"
import { type Bench, line, print } from "./support/report.ts"

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
const sampleEveryMs = 50

const idleNode = async (): Promise<number> => {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" })
  await new Promise((resume) => setTimeout(resume, 500))
  const bytes = residentBytes(child.pid as number) ?? Number.NaN
  child.kill()
  return bytes
}

export const memory: Bench = {
  name: "memory",
  run: async ({ root, smoke }) => {
    const asOfs = smoke ? 300 : 3_600
    const running = startConclave(root, [
      "--speed",
      "max",
      "--time-frame",
      "1s",
      "--as-ofs",
      `${asOfs}`,
      "--transport",
      "in-process"
    ])
    const samples: Array<number> = []
    const timer = setInterval(() => {
      const bytes = residentBytes(running.pid)
      if (bytes !== undefined && bytes > 0) samples.push(bytes)
    }, sampleEveryMs)
    let decisions = 0
    for await (const text of running.lines) if (text.includes('"type":"decision"')) decisions++
    clearInterval(timer)
    await running.stop()
    print(
      `memory: ${asOfs} one-second bars of 4 instruments, ${decisions} decisions, ${samples.length} samples`
    )
    for (const share of [0.25, 0.5, 0.75, 1]) {
      const at = samples[Math.max(0, Math.ceil(samples.length * share) - 1)] ?? Number.NaN
      line(`after ${share * 100} % of the run`, mebibytes(at))
    }
    line("most", mebibytes(Math.max(...samples)))
    line("Node alone", mebibytes(await idleNode()))
  }
}
