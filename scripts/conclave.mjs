/** The `conclave` command from a checkout: bootstraps, then runs. `up` runs under its launcher. */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { main, root } from "./bootstrap.mjs"

const args = process.argv.slice(2)
const load = (name) => import(pathToFileURL(join(root, "dist", `${name}.js`)).href)

await main(async () => {
  const isUp = args[0] === "up" && !args.some((arg) => arg === "--help" || arg === "-h")
  if (!isUp) return void (await load("cli"))
  const { launch } = await load("launcher")
  process.exitCode = await launch({ script: join(root, "dist", "cli.js"), args })
})
