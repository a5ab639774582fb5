import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { linearLearner } from "../../../src/agents/deep-learning/LinearLearner.ts"
import { qTableLearner } from "../../../src/agents/reinforcement-learning/QTableLearner.ts"
import { readModelFile, writeModelFile } from "../../../src/agents/training/ModelFile.ts"
import { inputSchema } from "../../../src/agents/training/ModelInput.ts"
import type { Fitted } from "../../../src/agents/voter/Learner.ts"
import { manifestMetadata, readOwnManifest } from "../../../src/agents/voter/ownManifest.ts"
import { fittedOf, shippedModels } from "../../../src/agents/voter/shipped.ts"
import { emitLinear } from "../../../src/learning/LinearOpinion.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "../../learning/opinions.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { simulated, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { artefactOf, artefactOfAll, input, trained } from "../training/models.ts"
import { fitOf, learn } from "./learning.ts"

const changes = {
  "deepLearning.lags": 2,
  "deepLearning.rowsMin": 60,
  "reinforcementLearning.barsMin": 130,
  "reinforcementLearning.episodes": 2
}
const settings = settingsWith(changes)
const { events } = simulated({ seed: 94, count: 320, instruments: 2 })
const linearModel = linearLearner(settings)
const tableModel = qTableLearner(settings)
const linear = fitOf(linearModel, learn(linearModel, events)) as Fitted
const table = fitOf(tableModel, learn(tableModel, events)) as Fitted

const deepLearning = { voter: "deep-learning", timeFrame, horizonBars: 4 }
const reinforcement = { ...deepLearning, voter: "reinforcement-learning" }

/** A folder of files, and what is said in the log while it is read. */
const withFiles = (files: Readonly<Record<string, Uint8Array>>) =>
  Effect.gen(function* () {
    const root = yield* temporaryDirectory
    const folder = join(root, "models")
    mkdirSync(folder)
    for (const [name, bytes] of Object.entries(files)) yield* writeModelFile(join(folder, name), bytes)
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel.label === "WARN") warnings.push(String(message))
    })
    const shipped = (wanted: Parameters<typeof shippedModels>[1]) =>
      Effect.provide(
        shippedModels({ root, folder: "models" }, wanted),
        Logger.replace(Logger.defaultLogger, logger)
      )
    return { root, folder, shipped, warnings }
  })

const digestsOf = (found: ReadonlyArray<Fitted>) => found.map(({ artefact }) => sha256(artefact))

describe("models that come with the program", () => {
  it.scoped("are those of the voter, the time frame and the horizon, in the order of their names", () =>
    Effect.gen(function* () {
      const longer = artefactOf({ ...trained, timeFrame: TimeFrame.make("4h") })
      const further = artefactOf({ ...trained, horizonBars: 8 })
      const same = artefactOf({ ...trained, timeFrame: TimeFrame.make("60m") })
      const { shipped, warnings } = yield* withFiles({
        "d.onnx": artefactOf(),
        "b.onnx": linear.artefact,
        "c.onnx": table.artefact,
        "a.onnx": same,
        "e.onnx": longer,
        "f.onnx": further
      })
      expect(digestsOf(yield* shipped(deepLearning))).toEqual(
        [same, linear.artefact, artefactOf()].map((bytes) => sha256(bytes))
      )
      expect(digestsOf(yield* shipped(reinforcement))).toEqual([sha256(table.artefact)])
      expect(digestsOf(yield* shipped({ ...deepLearning, timeFrame: TimeFrame.make("4h") }))).toEqual([
        sha256(longer)
      ])
      expect(digestsOf(yield* shipped({ ...deepLearning, horizonBars: 8 }))).toEqual([sha256(further)])
      expect(yield* shipped({ ...reinforcement, horizonBars: 8 })).toEqual([])
      expect(warnings).toEqual([])
    })
  )

  it.scoped("are left out where they are damaged, with a line in the log; the others are there", () =>
    Effect.gen(function* () {
      const { folder, shipped, warnings } = yield* withFiles({
        "a.onnx": artefactOf(),
        "b.onnx": linear.artefact
      })
      // A weight, not the structure: as ONNX it is as sound as before.
      const bytes = readFileSync(join(folder, "a.onnx"))
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
      writeFileSync(join(folder, "a.onnx"), bytes)
      writeFileSync(join(folder, "c.onnx"), "this is no model")
      expect(digestsOf(yield* shipped(deepLearning))).toEqual([sha256(linear.artefact)])
      expect(warnings.length).toBe(2)
      expect(warnings[0]).toMatch(/a\.onnx.*its checksum is/)
      expect(warnings[1]).toMatch(/c\.onnx.*it is no readable ONNX/)
    })
  )

  it.scoped(
    "may lie there without a checksum, beside other files and models that say nothing of themselves",
    () =>
      Effect.gen(function* () {
        const { folder, shipped, warnings } = yield* withFiles({})
        writeFileSync(join(folder, "a.onnx"), artefactOf())
        writeFileSync(join(folder, "README.md"), "models")
        appendFileSync(join(folder, "a.onnx.txt"), "notes")
        const anonymous = emitLinear({
          means: new Float64Array(2),
          deviations: new Float64Array(2).fill(1),
          coefficients: new Float64Array(2),
          intercept: 0,
          calibrator: randomCalibrator(keyedRandom("linear")),
          featureNames: ["one", "two"],
          featureSchemaVersion: 1
        })
        writeFileSync(join(folder, "b.onnx"), anonymous)
        expect(digestsOf(yield* shipped(deepLearning))).toEqual([sha256(artefactOf())])
        expect(warnings).toEqual([])
      })
  )

  it.scoped("may look at several instruments together", () =>
    Effect.gen(function* () {
      const { shipped, warnings } = yield* withFiles({ "a.onnx": artefactOfAll(), "b.onnx": artefactOf() })
      const digests = [artefactOfAll(), artefactOf()].map((bytes) => sha256(bytes))
      const found = yield* shipped(deepLearning)
      expect(digestsOf(found)).toEqual(digests)
      expect(warnings).toEqual([])
      // The same network of the same bars is another model.
      expect(new Set(found.map(({ manifest }) => manifest.configuration)).size).toBe(2)
    })
  )

  it.scoped("are none where there is no folder, and none in an empty one", () =>
    Effect.gen(function* () {
      const { root, shipped } = yield* withFiles({})
      expect(yield* shipped(deepLearning)).toEqual([])
      expect(yield* shippedModels({ root, folder: "nowhere" }, deepLearning)).toEqual([])
    })
  )

  it.scoped("may lie in a folder that is named from the root of the machine", () =>
    Effect.gen(function* () {
      const { folder } = yield* withFiles({ "a.onnx": artefactOf() })
      expect((yield* shippedModels({ root: "/nowhere", folder }, deepLearning)).length).toBe(1)
    })
  )
})

describe("what a file says of itself", () => {
  it.scoped("is, of a model that a voter made, the manifest that it made it with", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      for (const [name, fitted] of Object.entries({ linear, table })) {
        const path = join(folder, `${name}.onnx`)
        yield* writeModelFile(path, fitted.artefact)
        const read = fittedOf(yield* readModelFile(path))
        expect(read?.manifest).toEqual(fitted.manifest)
        expect(sha256(read?.artefact as Uint8Array)).toBe(sha256(fitted.artefact))
        expect(read?.reason).toBe("came with the program")
      }
    })
  )

  it.scoped("is, of a trained network, what it was trained as, fitted when its last outcome was known", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "network.onnx")
      yield* writeModelFile(path, artefactOf())
      expect(fittedOf(yield* readModelFile(path))?.manifest).toMatchObject({
        kind: "network-mlp",
        voter: "deep-learning",
        timeFrame,
        horizonBars: 4,
        features: inputSchema(input),
        data: { from: 1_000, to: 2_000, rows: 15 },
        fittedAsOf: 3_000,
        metrics: trained.metrics
      })
    })
  )

  it("comes back from the metadata, and from nothing else", () => {
    const metadata = new Map(Object.entries(manifestMetadata(linear.manifest)))
    expect(readOwnManifest(metadata)).toEqual(linear.manifest)
    expect(readOwnManifest(new Map())).toBeUndefined()
    for (const text of [
      "",
      "null",
      "{}",
      "[]",
      "{",
      JSON.stringify({ ...linear.manifest, horizonBars: "4" })
    ]) {
      expect(readOwnManifest(new Map([["manifest", text]]))).toBeUndefined()
    }
  })
})
