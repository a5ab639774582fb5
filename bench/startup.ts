/** From the command to the first decision on standard output, beside Node alone. */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { startConclave } from "./support/conclave.ts"
import { type Bench, line, print, spread } from "./support/report.ts"

const firstDecision = async (root: string, args: ReadonlyArray<string>): Promise<number> => {
  const begin = performance.now()
  const running = startConclave(root, args)
  for await (const text of running.lines) {
    if (!text.includes('"type":"decision"')) continue
    const taken = performance.now() - begin
    await running.stop()
    return taken
  }
  rmSync(running.directory, { recursive: true, force: true })
  throw new Error("it ended without a decision")
}

export const startup: Bench = {
  name: "startup",
  run: async ({ root, smoke }) => {
    const runs = smoke ? 1 : 7
    const within: Array<number> = []
    const overNats: Array<number> = []
    const node: Array<number> = []
    for (let i = 0; i < runs; i++) {
      const begin = performance.now()
      spawnSync(process.execPath, ["-e", "0"])
      node.push(performance.now() - begin)
      within.push(await firstDecision(root, ["--speed", "max", "--transport", "in-process"]))
      overNats.push(await firstDecision(root, ["--speed", "max", "--transport", "nats"]))
    }
    print(`startup: from the command to the first decision, ${runs} starts`)
    line("in process", spread(within, "ms"))
    line("with a nats-server of its own", spread(overNats, "ms"))
    line("Node alone", spread(node, "ms"))
  }
}
