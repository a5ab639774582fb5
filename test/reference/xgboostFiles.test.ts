/**
 * Every folder of XGBoost models of the reference data: both files are the same trees, and these say of the folder's
 * rows what XGBoost says, here and as ONNX under onnxruntime.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { encode } from "../../src/learning/onnx/OnnxFile.ts"
import { runThrough } from "../../src/learning/steps.ts"
import {
  classesOf,
  leafIndices,
  marginsOf,
  probabilitiesOf,
  type TreeEnsemble
} from "../../src/learning/trees/TreeEnsemble.ts"
import { treesToOnnx } from "../../src/learning/trees/TreeOnnx.ts"
import { shapValues } from "../../src/learning/trees/TreeShap.ts"
import { readXgboost } from "../../src/learning/trees/XgboostFile.ts"
import { runOnnx } from "../learning/onnx/runOnnx.ts"
import { distance } from "../learning/trees/xgboostModels.ts"
import { root } from "./referenceFiles.ts"

const folder = join(root, "xgboost")
const names = existsSync(folder)
  ? readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  : []
const skipped = names.length === 0
const title = skipped
  ? `XGBoost models (skipped: no folders in ${folder}; set CONCLAVE_DATA to a folder that has xgboost)`
  : `XGBoost models of ${folder}`

const cellsOf = (name: string, file: string): Array<Array<string>> =>
  readFileSync(join(folder, name, file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","))

/** Rows below a header; an empty cell is missing. */
const tableOf = (name: string, file: string) => {
  const [header = [], ...rows] = cellsOf(name, file)
  return {
    header,
    rows: rows.map((row) => row.map((cell) => (cell === "" ? Number.NaN : Number(cell))))
  }
}

const readModel = (name: string, file: string): TreeEnsemble =>
  Either.getOrThrow(readXgboost(new Uint8Array(readFileSync(join(folder, name, file)))))

type Table = ReturnType<typeof tableOf>

/** The columns of a table that a pattern names, side by side, and the numbers in their names. */
const columnsOf = (table: Table, pattern: RegExp) => {
  const places = table.header.flatMap((name, at) => {
    const found = pattern.exec(name)
    return found === null ? [] : [{ at, index: Number(found[1] ?? 0) }]
  })
  return {
    indices: places.map(({ index }) => index),
    values: table.rows.flatMap((row) => places.map(({ at }) => row[at] as number))
  }
}

/** Of a row-major table of that many columns, those with these indices. */
const chosen = (values: ArrayLike<number>, width: number, indices: ReadonlyArray<number>): Array<number> =>
  Array.from({ length: values.length / width }, (_, row) =>
    indices.map((index) => values[row * width + index] as number)
  ).flat()

describe.skipIf(skipped)(title, () => {
  it.each(names)("%s", async (name) => {
    const trees = readModel(name, "model.json")
    expect(readModel(name, "model.ubj")).toEqual(trees)

    const inputs = tableOf(name, "inputs.csv")
    expect(inputs.header).toEqual([...trees.featureNames])
    const rows = Float64Array.from(inputs.rows.flat())
    const count = inputs.rows.length

    const expected = tableOf(name, "expected.csv")
    expect(expected.rows).toHaveLength(count)
    const isRegression = trees.link === "identity"
    const margins = columnsOf(expected, isRegression ? /^(?:margin|prediction)$/ : /^margin(?:_(\d+))?$/)
    const ours = marginsOf(trees, rows)
    expect(margins.indices.length).toBeGreaterThan(0)
    expect(distance(chosen(ours, trees.outputs, margins.indices), margins.values)).toBeLessThan(1e-5)

    const outputs = await runOnnx(encode(treesToOnnx(trees)), {
      features: { dims: [count, trees.features], values: [...rows] }
    })
    expect(outputs.margins?.dims).toEqual([count, trees.outputs])
    const served = chosen(outputs.margins?.values ?? [], trees.outputs, margins.indices)
    expect(distance(served, margins.values)).toBeLessThan(1e-5)

    if (!isRegression) {
      const classes = classesOf(trees)
      const probabilities = columnsOf(expected, /^proba_(\d+)$/)
      expect(probabilities.indices.length).toBeGreaterThan(0)
      const here = chosen(probabilitiesOf(trees, ours), classes, probabilities.indices)
      expect(distance(here, probabilities.values)).toBeLessThan(1e-6)
      expect(outputs.probabilities?.dims).toEqual([count, classes])
      const all = outputs.probabilities?.values ?? []
      expect(distance(chosen(all, classes, probabilities.indices), probabilities.values)).toBeLessThan(1e-6)
      expect(distance(all, probabilitiesOf(trees, ours))).toBeLessThan(1e-6)
    }

    const leaves = cellsOf(name, "expected_leaf.csv").map((row) => row.map(Number))
    const found = leafIndices(trees, rows.subarray(0, leaves.length * trees.features))
    expect([...found]).toEqual(leaves.flat())

    const explained = runThrough(shapValues(trees, rows.subarray(0, 20 * trees.features)))
    const width = trees.features + 1
    for (let i = 0; i < 20 * trees.outputs; i++) {
      const sum = explained.subarray(i * width, (i + 1) * width).reduce((total, value) => total + value, 0)
      expect(Math.abs(sum - (ours[i] as number))).toBeLessThan(1e-9)
    }
  })
})
