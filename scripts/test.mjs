/**
 * `npm test`: every test, and the ones over real data where the folder of data is there. `npm run test:reference`
 * runs those alone. Arguments go to vitest: `npm test -- Journal`.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { main, root } from "./bootstrap.mjs"
import { ensurePrograms } from "./programs.mjs"

const say = (text) => process.stderr.write(`conclave: ${text}\n`)

const vitest = (config, args) =>
  new Promise((resolve) => {
    const script = join(root, "node_modules", "vitest", "vitest.mjs")
    const child = spawn(process.execPath, [script, "run", "--config", config, ...args], {
      cwd: root,
      stdio: "inherit"
    })
    child.once("exit", (code) => resolve(code ?? 1))
  })

await main(async () => {
  const args = process.argv.slice(2)
  const referenceOnly = args[0] === "--reference"
  const problem = ensurePrograms(["nats-server", "redis-server"], say)
  if (problem !== undefined) {
    say(problem)
    process.exitCode = 1
    return
  }
  if (!referenceOnly) {
    process.exitCode = await vitest("vitest.config.ts", args)
    if (process.exitCode !== 0 || args.length > 0) return
  }
  const data = process.env.CONCLAVE_DATA ?? join(root, "..", "shared", "data")
  if (!existsSync(data)) {
    say(`the reference tests are skipped: there is no folder ${data} (set CONCLAVE_DATA)`)
  }
  process.exitCode = await vitest("vitest.reference.config.ts", referenceOnly ? args.slice(1) : [])
})
