/**
 * `npm run models`: makes the models that come with the program, all of them from the simulator, and puts them into
 * models/ (or the folder that is named). One after the other by the project's own commands; equal sources make equal
 * files on equal machines.
 */
import { spawn } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { BootstrapFailed, main, root } from "./bootstrap.mjs"

/** Bars of each of four instruments that networks learn from, and of the run that the baselines come from. */
const barsOfNetworks = 8_000
const barsOfRun = 6_000
const seed = 11

/** Small enough that all of them together are trained within a quarter of an hour on two cores. */
const networks = {
  dlinear: [],
  mlp: ["--width", "32", "--epochs", "8"],
  lstm: ["--width", "32", "--layers", "1", "--epochs", "6"],
  gru: ["--width", "32", "--layers", "1", "--epochs", "6"],
  cnn: ["--width", "16", "--epochs", "6"],
  transformer: ["--width", "32", "--layers", "2", "--epochs", "6"],
  trm: ["--epochs", "4"]
}

const say = (text) => process.stderr.write(`conclave: ${text}\n`)
const command = (args) => [join(root, "scripts", "conclave.mjs"), ...args]

/** Runs a command of the project's; its standard output by lines. */
const run = (args, onLine) =>
  new Promise((done, fail) => {
    const child = spawn(process.execPath, command(args), { stdio: ["ignore", "pipe", "inherit"] })
    createInterface({ input: child.stdout }).on("line", onLine)
    child.on("error", fail)
    child.on("close", (code) =>
      code === 0 ? done() : fail(new BootstrapFailed(`\`conclave ${args.join(" ")}\` ended with ${code}`))
    )
  })

/** The forecasters that are made of few numbers, as a run in the simulator left them. */
const baselines = async (folder, work) => {
  const versions = new Map()
  const data = join(work, "run")
  const empty = join(work, "none")
  mkdirSync(empty)
  await run(
    [
      ...["up", "--json", "--speed", "max", "--world", "momentum", "--seed", String(seed)],
      ...["--as-ofs", String(barsOfRun), "--data-directory", data, "--models.shipped-path", empty]
    ],
    (line) => {
      for (const { version, voter } of JSON.parse(line).modelVersions ?? []) versions.set(voter, version)
    }
  )
  const node = join(data, "node", "runs")
  for (const [voter, version] of versions) {
    const [name] = readdirSync(node)
    const file = `${voter}.onnx`
    copyFileSync(join(node, name, "models", `${version}.onnx`), join(folder, file))
    chmodSync(join(folder, file), 0o644)
    writeFileSync(join(folder, `${file}.sha256`), `${version}  ${file}\n`)
  }
}

await main(async () => {
  const [only] = process.argv.slice(2)
  const folder = resolve(only ?? join(root, "models"))
  const began = performance.now()
  mkdirSync(folder, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), "conclave-models-"))
  try {
    say(`the baselines, from a run over ${barsOfRun} bars`)
    await baselines(folder, work)
    const bars = join(work, "bars.csv")
    await run(
      [
        ...["simulate", "--world", "momentum", "--seed", String(seed), "--as-ofs", String(barsOfNetworks)],
        ...["--output", bars]
      ],
      say
    )
    const table = []
    for (const [model, sizes] of Object.entries(networks)) {
      const since = performance.now()
      const output = join(folder, `${model}.onnx`)
      let result
      await run(
        [
          "train",
          "--model",
          model,
          "--data",
          bars,
          "--output",
          output,
          "--seed",
          String(seed),
          ...sizes,
          "--json"
        ],
        (line) => {
          result = JSON.parse(line)
        }
      )
      rmSync(join(folder, `${model}.html`), { force: true })
      const seconds = Math.round((performance.now() - since) / 1_000)
      table.push({ model, seconds, bytes: statSync(output).size, verdicts: result.verdicts })
    }
    const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"))
    const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    for (const { bytes, model, seconds, verdicts } of table) {
      say(`${model}: ${bytes} bytes, ${seconds} s. ${verdicts.join(" ")}`)
    }
    const minutes = (performance.now() - began) / 60_000
    say(`${files.length} models, ${(bytes / 2 ** 20).toFixed(2)} MiB, ${minutes.toFixed(1)} minutes`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
})
