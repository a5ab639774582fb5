/**
 * Has programs that tests and benchmarks start fetched by the system's package manager where they are missing. The
 * program itself needs none of them.
 */
import { spawnSync } from "node:child_process"

const isThere = (program) => spawnSync(program, ["--version"]).status === 0

const instructions = (programs) => {
  const names = programs.join(" and ")
  const packages = programs.join(" ")
  return `${names} ${programs.length > 1 ? "are" : "is"} needed by the tests: install by \`apt-get install ${packages}\` (Debian, Ubuntu; macOS: \`brew install\`), then start again`
}

/** Returns undefined when the programs are there, or one line that says what to do. Each is a package of its name. */
export const ensurePrograms = (programs, say) => {
  const missing = programs.filter((program) => !isThere(program))
  if (missing.length === 0) return undefined
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0)
    return instructions(missing)
  say(`installing ${missing.join(" and ")} with apt-get`)
  // At run level 1 no package starts a service of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
  const options = { env, encoding: "utf8" }
  spawnSync("apt-get", ["update", "-qq"], options)
  const { stderr } = spawnSync(
    "apt-get",
    ["install", "-y", "-qq", "--no-install-recommends", ...missing],
    options
  )
  const still = missing.filter((program) => !isThere(program))
  if (still.length === 0) return undefined
  const last = String(stderr ?? "")
    .trim()
    .split("\n")
    .at(-1)
  return `${instructions(still)} (apt-get: ${last})`
}
