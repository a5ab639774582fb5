/** `npm run bench -- [--smoke] [NAME...]` */
import { compression } from "./compression.ts"
import { forecast } from "./forecast.ts"
import { learning } from "./learning.ts"
import { lockstep } from "./lockstep.ts"
import { market } from "./market.ts"
import { memory } from "./memory.ts"
import { opinions } from "./opinions.ts"
import { providers } from "./providers.ts"
import { rounds } from "./rounds.ts"
import { peer, rpc } from "./rpc.ts"
import { startup } from "./startup.ts"
import { print, printMachine, rootOf } from "./support/report.ts"
import { trainingLoad } from "./trainingLoad.ts"
import { trees } from "./trees.ts"
import { trmSudoku } from "./trmSudoku.ts"

const benches = [
  rpc,
  opinions,
  lockstep,
  rounds,
  startup,
  memory,
  learning,
  providers,
  compression,
  forecast,
  market,
  trainingLoad,
  trees,
  trmSudoku
]

const root = rootOf(import.meta.url)
const [role, address] = process.argv.slice(2)
if (role === "rpc-peer" && address !== undefined) {
  await peer(address)
} else {
  const args = process.argv.slice(2)
  const smoke = args.includes("--smoke")
  const names = args.filter((arg) => !arg.startsWith("-"))
  const unknown = names.find((name) => !benches.some((bench) => bench.name === name))
  if (unknown !== undefined) {
    process.stderr.write(
      `no benchmark "${unknown}"; there are ${benches.map(({ name }) => name).join(", ")}\n`
    )
    process.exit(1)
  }
  printMachine(root)
  if (smoke) print("smoke: windows are short, the figures mean little")
  for (const bench of benches) {
    if (names.length > 0 && !names.includes(bench.name)) continue
    print()
    try {
      await bench.run({ smoke, root })
    } catch (cause) {
      process.stderr.write(
        `${bench.name} failed: ${cause instanceof Error ? cause.message : String(cause)}\n`
      )
      process.exit(1)
    }
  }
}
