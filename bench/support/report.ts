/** How figures are printed: what machine, what versions, and the spread beside every median. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { fileURLToPath } from "node:url"

export interface Bench {
  readonly name: string
  readonly run: (options: BenchOptions) => Promise<void>
}

export interface BenchOptions {
  /** Short windows: shows that the benchmark works, its figures mean little. */
  readonly smoke: boolean
  /** The root of the checkout. */
  readonly root: string
}

export const print = (text = ""): void => void process.stdout.write(`${text}\n`)

export const rootOf = (moduleUrl: string): string => fileURLToPath(new URL("../..", moduleUrl))

const versionOf = (root: string, name: string): string =>
  (JSON.parse(readFileSync(`${root}/node_modules/${name}/package.json`, "utf8")) as { version: string })
    .version

export const printMachine = (root: string): void => {
  const [cpu] = cpus()
  const nats =
    spawnSync("nats-server", ["--version"], { encoding: "utf8" }).stdout?.trim() ?? "no nats-server"
  print(
    `${cpu?.model.trim()}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${process.platform}`
  )
  const packages = ["effect", "@effect/rpc", "nats", "onnxruntime-node", "better-sqlite3"]
  print(
    [
      `node ${process.versions.node}`,
      nats,
      ...packages.map((name) => `${name} ${versionOf(root, name)}`)
    ].join(", ")
  )
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

const digits = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(value >= 10 ? 1 : 2)

/** `median (least..greatest) unit` */
export const spread = (values: ReadonlyArray<number>, unit: string): string =>
  `${digits(median(values))} ${unit} (${digits(Math.min(...values))}..${digits(Math.max(...values))})`

export const line = (label: string, figure: string, note = ""): void =>
  print(`  ${label.padEnd(44)} ${figure}${note === "" ? "" : `  ${note}`}`)

/** Ratios of values that were measured one after the other. */
export const ratio = (values: ReadonlyArray<number>, to: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.map((value, i) => value / (to[i] as number))
