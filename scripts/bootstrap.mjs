/**
 * Makes a bare clone runnable: installs packages when the lock file has changed, bundles the sources when they
 * have. It needs nothing but Node and npm, prints one line a step on standard error, and does nothing when nothing
 * has changed.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const nodeVersionMin = [20, 18]
const outputCharsMax = 2_000

const say = (text) => process.stderr.write(`conclave: ${text}\n`)

export class BootstrapFailed extends Error {}

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  const [leastMajor, leastMinor] = nodeVersionMin
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return
  throw new BootstrapFailed(
    `Node ${nodeVersionMin.join(".")} or newer is needed, this is ${process.versions.node}.`
  )
}

/** Runs a tool quietly; what it had to say is shown when it fails, the end of it. */
const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options })
    let output = ""
    const keep = (chunk) => {
      output = (output + chunk).slice(-outputCharsMax)
    }
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.once("error", (cause) => reject(new BootstrapFailed(`${command} cannot be run: ${cause.message}`)))
    child.once("exit", (code) => {
      if (code === 0) return resolve()
      process.stderr.write(output)
      reject(
        new BootstrapFailed(
          `\`${command} ${args.join(" ")}\` ended with ${code}; its last words stand above.`
        )
      )
    })
  })

const readStamp = (path) => (existsSync(path) ? readFileSync(path, "utf8") : "")

const writeStamp = (path, stamp) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, stamp)
}

const install = async () => {
  const lock = readFileSync(join(root, "package-lock.json"))
  // Native modules are built for one version of Node's interface.
  const stamp = createHash("sha256")
    .update(lock)
    .update(process.versions.modules)
    .update(process.arch)
    .digest("hex")
  const path = join(root, "node_modules", ".conclave-installed")
  if (readStamp(path) === stamp) return
  say("installing packages (the first time SQLite may have to be compiled, which takes two minutes)")
  // Not `npm ci`: it refuses a lock file in which a registry without packages for other platforms left them out.
  await run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" }
  })
  writeStamp(path, stamp)
}

const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? filesBelow(path) : [path]
    })
    .sort()

const sourceStamp = (folders) => {
  const hash = createHash("sha256")
  for (const path of folders.flatMap((folder) => filesBelow(join(root, folder)))) {
    hash.update(relative(root, path)).update(readFileSync(path))
  }
  return hash.update(readFileSync(join(root, "package-lock.json"))).digest("hex")
}

/** What is bundled: the program's processes and threads, each one file. */
const entries = {
  cli: "src/cli/main.ts",
  exchangeThread: "src/agents/market-data/sources/exchangeThread.js",
  launcher: "src/runtime/launcher.ts",
  "model-host": "src/agents/model-host/main.ts",
  "sentiment-host": "src/agents/sentiment/main.ts",
  storeWriter: "src/runtime/storeWriter.js",
  "training-host": "src/agents/training-host/main.ts",
  trainer: "src/agents/trainer/main.ts"
}

export const bundle = async (entryPoints, outdir) => {
  const { build } = await import("esbuild")
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    // Native addons, what loads files of its own beside itself, and what is large and seldom asked for.
    external: [
      "better-sqlite3",
      "onnxruntime-node",
      "systeminformation",
      "@tensorflow/tfjs-node-gpu",
      "@huggingface/transformers",
      "ccxt",
      "ioredis"
    ],
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);'
    },
    logLevel: "warning",
    sourcemap: "linked",
    write: false
  })
  // Each file in one step: others may be starting from what is there, or bundling as well.
  for (const { contents, path } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.${process.pid}`, contents)
    renameSync(`${path}.${process.pid}`, path)
  }
}

const build = async () => {
  const stamp = sourceStamp(["src"])
  const path = join(root, "dist", ".built")
  if (readStamp(path) === stamp && existsSync(join(root, "dist", "cli.js"))) return
  say("bundling the sources")
  await bundle(entries, "dist")
  writeStamp(path, stamp)
}

export const bootstrap = async () => {
  checkNode()
  if (!existsSync(join(root, "package-lock.json")) || !statSync(root).isDirectory()) {
    throw new BootstrapFailed(`${root} is no checkout of this project.`)
  }
  await install()
  await build()
}

/** Runs a script's main part after the bootstrap; what fails on the way is one line. */
export const main = async (body) => {
  try {
    await bootstrap()
    await body()
  } catch (cause) {
    if (!(cause instanceof BootstrapFailed)) throw cause
    say(cause.message)
    process.exitCode = 1
  }
}
