/** `npm run bench`: bootstraps, bundles the benchmarks and runs them. */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { BootstrapFailed, bundle, main, root } from "./bootstrap.mjs"
import { ensurePrograms } from "./programs.mjs"

await main(async () => {
  const problem = ensurePrograms(["nats-server"], (text) => process.stderr.write(`conclave: ${text}\n`))
  if (problem !== undefined) throw new BootstrapFailed(problem)
  await bundle({ main: "bench/main.ts" }, join("dist", "bench"))
  await import(pathToFileURL(join(root, "dist", "bench", "main.js")).href)
})
