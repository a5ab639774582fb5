/** XGBoost's own models beside the tests, with what XGBoost predicts from them (models/make.py). */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("models", import.meta.url))

type Table = ReadonlyArray<ReadonlyArray<number | null>>

/** Nested as deep as the model has outputs. */
export interface Expected {
  readonly rows: Table
  readonly margins: ReadonlyArray<number | ReadonlyArray<number>>
  readonly predictions: ReadonlyArray<number | ReadonlyArray<number>>
  readonly leaves: ReadonlyArray<ReadonlyArray<number>>
  readonly contributions: ReadonlyArray<ReadonlyArray<number | ReadonlyArray<number>>>
  readonly scores: Readonly<Record<"weight" | "gain" | "cover", Readonly<Record<string, number>>>> | null
}

export interface XgboostModel {
  readonly name: string
  readonly json: Uint8Array
  readonly ubj: Uint8Array
  readonly expected: Expected
}

const read = (name: string) => new Uint8Array(readFileSync(join(folder, name)))

const endingIn = (ending: string, names: ReadonlyArray<string>) =>
  names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length))

export const models: ReadonlyArray<XgboostModel> = endingIn(".ubj", readdirSync(folder)).map((name) => ({
  name,
  json: read(`${name}.json`),
  ubj: read(`${name}.ubj`),
  expected: JSON.parse(readFileSync(join(folder, `${name}.expected.json`), "utf8")) as Expected
}))

export const model = (name: string): XgboostModel => {
  const found = models.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no model ${name}`)
  return found
}

export const refusedModel = (name: string): Uint8Array => read(join("refused", `${name}.json`))

/** Row-major, NaN where missing. */
export const valuesOf = (rows: Table): Float64Array =>
  Float64Array.from(rows.flat(), (value) => value ?? Number.NaN)

/** The greatest distance of two lists of equal lengths; NaN where one of them has a NaN. */
export const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) throw new Error(`${a.length} numbers beside ${b.length}`)
  let greatest = 0
  for (let i = 0; i < a.length; i++) {
    greatest = Math.max(greatest, Math.abs((a[i] as number) - (b[i] as number)))
  }
  return greatest
}

/** What XGBoost grew, where from, and the margins of the same rows. */
export interface Grown {
  readonly parameters: Readonly<Record<string, string | number>>
  readonly rows: Table
  readonly labels: ReadonlyArray<number>
  readonly weights: ReadonlyArray<number> | null
  readonly margins: ReadonlyArray<number | ReadonlyArray<number>>
  readonly scores: Readonly<Record<"weight" | "gain" | "cover", Readonly<Record<string, number>>>>
}

export const grown: ReadonlyArray<readonly [name: string, Grown]> = endingIn(
  ".json",
  readdirSync(join(folder, "grown"))
).map((name) => [name, JSON.parse(readFileSync(join(folder, "grown", `${name}.json`), "utf8")) as Grown])

export const featureNames = ["level", "change", "share", "volume"]
