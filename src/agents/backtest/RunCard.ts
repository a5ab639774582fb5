/**
 * The run card of a backtest: everything that its records follow from, by value or hash, and the hashes of what came
 * out. Whoever has the same program, files and machine type gets the same hashes; `conclave backtest --rerun` tries.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { arch, cpus, platform } from "node:os"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { Digest, Identifier, RunId } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"

export const RunCard = Schema.Struct({
  type: Schema.Literal("run-card"),
  version: Schema.Literal(1),
  run: RunId,
  program: Schema.Struct({
    /** Of the bundles that ran. */
    bundles: Digest,
    /** Of the lock file: every dependency's version. */
    lock: Digest
  }),
  machine: Schema.Struct({
    node: Schema.String,
    platform: Schema.String,
    architecture: Schema.String,
    processor: Schema.String
  }),
  files: Schema.Array(Schema.Struct({ path: Schema.String, digest: Digest })),
  seed: Schema.NonNegativeInt,
  asOfs: Schema.Struct({
    warmUp: Schema.NonNegativeInt,
    traded: Schema.NonNegativeInt,
    /** Close times of the first and the last that were traded, epoch milliseconds. */
    from: Schema.Finite,
    to: Schema.Finite
  }),
  /** The configuration as YAML: what `--config` reads. */
  settings: Schema.String.pipe(Schema.maxLength(1_000_000)),
  /** The model versions that answered. */
  models: Schema.Array(Schema.Struct({ voter: Identifier, version: Digest })),
  results: Schema.Struct({
    /** Of all decisions, in order, as canonical JSON. */
    decisions: Digest,
    /** Of the paper account. */
    ledger: Digest,
    fills: Schema.NonNegativeInt
  })
})
export type RunCard = typeof RunCard.Type

const digestOfFiles = (paths: ReadonlyArray<string>): string => {
  const hash = createHash("sha256")
  for (const path of paths) hash.update(createHash("sha256").update(readFileSync(path)).digest())
  return hash.digest("hex")
}

/** @param root the checkout whose bundles run */
export const programOf = (root: string): Effect.Effect<RunCard["program"]> =>
  Effect.sync(() => {
    const folder = join(root, "dist")
    const bundles = readdirSync(folder)
      .filter((name) => name.endsWith(".js"))
      .sort()
    return {
      bundles: digestOfFiles(bundles.map((name) => join(folder, name))),
      lock: digestOfFiles([join(root, "package-lock.json")])
    }
  })

export const machine: Effect.Effect<RunCard["machine"]> = Effect.sync(() => ({
  node: process.versions.node,
  platform: platform(),
  architecture: arch(),
  processor: cpus()[0]?.model.trim() ?? "unknown"
}))

/** What differs between a card and that of its repetition, by what has to be the same for the results to be. */
export const differencesOf = (card: RunCard, again: RunCard): ReadonlyArray<string> => {
  const parts: ReadonlyArray<readonly [name: string, of: (card: RunCard) => unknown]> = [
    ["the program's bundles", ({ program }) => program.bundles],
    ["the versions of its dependencies", ({ program }) => program.lock],
    ["the machine", (of) => of.machine],
    ["the files", ({ files }) => files.map(({ digest }) => digest)],
    ["the configuration", ({ settings }) => settings],
    ["the as-ofs", ({ asOfs }) => asOfs],
    ["the models", ({ models }) => models],
    ["the decisions", ({ results }) => results.decisions],
    ["the ledger", ({ results }) => [results.ledger, results.fills]]
  ]
  return parts.flatMap(([name, of]) => (canonicalJson(of(card)) === canonicalJson(of(again)) ? [] : [name]))
}
