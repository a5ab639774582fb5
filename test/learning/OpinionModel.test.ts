import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { emitLinear } from "../../src/learning/LinearOpinion.ts"
import * as OpinionModel from "../../src/learning/OpinionModel.ts"
import * as OnnxFile from "../../src/learning/onnx/OnnxFile.ts"
import { emitQTable } from "../../src/learning/QTableOpinion.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "./opinions.ts"

const labels: OpinionModel.ArtefactLabels = {
  featureNames: ["momentum", 'with "quotes"'],
  featureSchemaVersion: 3,
  metadata: { voter: "deep-learning", "time-frame": "1h" }
}
const calibrator = randomCalibrator(keyedRandom("opinion model"))
const linear = emitLinear({
  ...labels,
  means: new Float64Array(2),
  deviations: Float64Array.of(1, 1),
  coefficients: Float64Array.of(0.1, 0.2),
  intercept: 0,
  calibrator
})
const model = Either.getOrThrow(OnnxFile.decode(linear))

const refusal = (changed: OnnxFile.ModelProto): string =>
  Either.match(OpinionModel.describe(changed), {
    onLeft: (error) => error.message,
    onRight: () => expect.fail("it was described")
  })

describe("OpinionModel", () => {
  it("reads back from the file what it was told to carry", () => {
    expect(OpinionModel.describe(model)).toEqual(
      Either.right({
        kind: "linear",
        featureNames: labels.featureNames,
        featureSchemaVersion: 3,
        metadata: new Map([
          ["conclave.kind", "linear"],
          ["conclave.feature_names", JSON.stringify(labels.featureNames)],
          ["conclave.feature_schema_version", "3"],
          ["voter", "deep-learning"],
          ["time-frame", "1h"]
        ])
      })
    )
  })

  it("is one interface for every kind", () => {
    const table = emitQTable({ ...labels, thresholds: [[0], []], q: new Float64Array(6), calibrator })
    const other = Either.getOrThrow(OnnxFile.decode(table))
    const { kind } = Either.getOrThrow(OpinionModel.describe(other))
    expect(kind).toBe("q-table")
    expect(other.graph.inputs).toEqual(model.graph.inputs)
    const byName = (outputs: ReadonlyArray<OnnxFile.ValueInfoProto>) =>
      new Map(outputs.map((out) => [out.name, out]))
    expect(byName(other.graph.outputs)).toEqual(byName(model.graph.outputs))
    expect([...byName(model.graph.outputs).keys()].sort()).toEqual([...OpinionModel.outputNames].sort())
  })

  it("refuses a file that is no opinion model, and says what it lacks", () => {
    const without = (key: string) => new Map([...model.metadata].filter(([name]) => name !== key))
    expect(refusal({ ...model, metadata: without("conclave.kind") })).toContain('lacks "conclave.kind"')
    expect(refusal({ ...model, metadata: without("conclave.feature_names") })).toContain("no list of names")
    const named = (names: string) => new Map([...model.metadata, ["conclave.feature_names", names]])
    expect(refusal({ ...model, metadata: named("[1, 2]") })).toContain("no list of names")
    expect(refusal({ ...model, metadata: named("{") })).toContain("no list of names")
    expect(refusal({ ...model, metadata: named('["one"]') })).toContain('"features" is not float [N, 1]')
    expect(refusal({ ...model, metadata: without("conclave.feature_schema_version") })).toContain("no number")
    const graph = (changed: Partial<OnnxFile.GraphProto>) => ({
      ...model,
      graph: { ...model.graph, ...changed }
    })
    expect(refusal(graph({ inputs: model.graph.inputs.slice(1) }))).toContain("2 inputs")
    expect(refusal(graph({ outputs: model.graph.outputs.slice(1) }))).toContain('its output "probabilities"')
    const turned = model.graph.outputs.map((out) => ({ ...out, elementType: "double" as const }))
    expect(refusal(graph({ outputs: turned }))).toContain("is not float")
  })
})
