/** `conclave model import xgboost`: XGBoost's own file in, a plain ONNX tree ensemble out, proven before it is written. */
import { resolve } from "node:path"
import { Effect } from "effect"
import { convertTrees, readXgboostFile } from "../agents/training/importXgboost.ts"
import { checksumPath, writeModelFile } from "../agents/training/ModelFile.ts"
import { classesOf, type TreeEnsemble, treesOf } from "../learning/trees/TreeEnsemble.ts"
import { writeJson, writeLine } from "./output.ts"
import { checkOutput } from "./outputFile.ts"
import { builtScripts, modelHostOptions } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface ImportOptions {
  readonly file: string
  readonly output: string
  readonly json: boolean
}

const namesShown = 6
const nameCharsMax = 32

/** Names out of a file are cut short, and what would move the cursor is left out. */
const shown = (name: string): string => {
  const plain = name.replace(/\p{C}/gu, "")
  return plain.length > nameCharsMax ? `${plain.slice(0, nameCharsMax)}…` : plain
}

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

const featuresLine = ({ featureNames, features }: TreeEnsemble): string => {
  if (featureNames.length === 0) return "the file does not name them"
  const more = features - namesShown
  return `${featureNames.slice(0, namesShown).map(shown).join(", ")}${more > 0 ? `, … (${more} more)` : ""}`
}

/** What the graph answers with, name by name. */
const outputsOf = (ensemble: TreeEnsemble) => {
  const classes = classesOf(ensemble)
  const margins = { name: "margins", columns: ensemble.outputs, what: "sums of leaves" }
  return classes === 0
    ? [margins, { name: "prediction", columns: 1, what: "the same" }]
    : [margins, { name: "probabilities", columns: classes, what: "of the classes in their order" }]
}

export const importXgboost = ({ value: settings }: LoadedSettings, options: ImportOptions) =>
  Effect.gen(function* () {
    const { file, json, output } = options
    for (const path of [output, checksumPath(output)]) yield* checkOutput(path, [file])
    const scripts = yield* builtScripts
    const ensemble = yield* readXgboostFile(file)
    const { artefact, difference, rows } = yield* convertTrees(
      file,
      ensemble,
      modelHostOptions(settings, scripts)
    )
    const path = resolve(output)
    const digest = yield* writeModelFile(path, artefact)
    const classes = classesOf(ensemble)
    const outputs = outputsOf(ensemble)
    if (json) {
      return yield* writeJson({
        type: "model-import",
        format: "xgboost",
        file,
        output: path,
        checksum: checksumPath(path),
        digest,
        bytes: artefact.length,
        kind: "trees",
        givesOpinions: false,
        trees: treesOf(ensemble),
        link: ensemble.link,
        features: ensemble.features,
        featureNames: ensemble.featureNames,
        classes,
        inputs: [{ name: "features", elementType: "float32", dims: ["N", ensemble.features] }],
        outputs: outputs.map(({ columns, name }) => ({ name, elementType: "float32", dims: ["N", columns] })),
        verified: { rows, differenceMax: difference }
      })
    }
    const of = classes === 0 ? "a regression" : counted(classes, "class", "classes")
    const tensors = [{ name: "features", columns: ensemble.features }, ...outputs]
    const width = Math.max(...tensors.map(({ name }) => name.length))
    const digits = Math.max(...tensors.map(({ columns }) => `${columns}]`.length))
    const tensor = (name: string, columns: number, what: string) =>
      `${name.padEnd(width)}  float32 [N, ${`${columns}]`.padEnd(digits)}  ${what}`
    yield* writeLine(
      [
        `${counted(treesOf(ensemble), "tree")}, ${counted(ensemble.features, "feature")}, ${of} (${ensemble.link})`,
        `in:       ${tensor("features", ensemble.features, `NaN is missing; ${featuresLine(ensemble)}`)}`,
        ...outputs.map(
          ({ columns, name, what }, i) =>
            `${i === 0 ? "out:     " : "         "} ${tensor(name, columns, what)}`
        ),
        `checked:  onnxruntime on ${rows} rows, at most ${difference.toExponential(1)} from the trees in float64`,
        "Plain ONNX, a tree ensemble: it gives no opinions, agents and `conclave predict` do not take it.",
        "",
        `model:    ${path} (${artefact.length} bytes)`,
        `SHA-256:  ${digest}, also in ${checksumPath(path)}`
      ].join("\n")
    )
  })
