/**
 * Has `nats-server` fetched by the system's package manager where it is missing. Tests and benchmarks need it; the
 * program itself does not.
 */
import { spawnSync } from "node:child_process"

const isThere = () => spawnSync("nats-server", ["--version"]).status === 0

const instructions =
  "nats-server is needed by the tests: install it (Debian, Ubuntu: `apt-get install nats-server`; macOS: `brew install nats-server`), then start again"

/** Returns undefined when the program is there, or one line that says what to do. */
export const ensureNatsServer = (say) => {
  if (isThere()) return undefined
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return instructions
  say("installing nats-server with apt-get")
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, encoding: "utf8" }
  spawnSync("apt-get", ["update", "-qq"], options)
  const { status, stderr } = spawnSync(
    "apt-get",
    ["install", "-y", "-qq", "--no-install-recommends", "nats-server"],
    options
  )
  if (status === 0 && isThere()) return undefined
  const last = String(stderr ?? "")
    .trim()
    .split("\n")
    .at(-1)
  return `${instructions} (apt-get: ${last})`
}
