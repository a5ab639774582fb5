import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { labelsOf, readClassifierFolder } from "../../../src/agents/sentiment/ClassifierFolder.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { config, folderLabels, writeClassifier } from "./classifierFolder.ts"

const refusal = (folder: string) =>
  Effect.map(Effect.flip(readClassifierFolder(folder)), ({ message }) => message)

describe("the labels of a classifier", () => {
  it("are read from its configuration, in the order of its outputs and in any case", () => {
    expect(Either.getOrThrow(labelsOf(config))).toEqual(folderLabels)
    const loud = { id2label: { 1: "Positive", 0: "NEGATIVE", 2: " neutral" } }
    expect(Either.getOrThrow(labelsOf(loud))).toEqual(["negative", "positive", "neutral"])
  })

  it.each([
    [{}, 'no "id2label"'],
    [null, 'no "id2label"'],
    [{ id2label: ["positive"] }, 'no "id2label"'],
    [{ id2label: { 0: "negative", 1: "positive" } }, "has 2 labels, and should have 3"],
    [{ id2label: { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2" } }, 'its label 0 is "LABEL_0"'],
    [{ id2label: { 0: "negative", 1: "negative", 2: "positive" } }, "two of its labels are the same"],
    [{ id2label: { 1: "negative", 2: "neutral", 3: "positive" } }, 'its label 0 is ""']
  ])("are refused where they are not the three sentiments: %j", (given, said) => {
    expect(Either.getOrThrow(Either.flip(labelsOf(given)))).toContain(said)
  })
})

describe("a folder of a classifier", () => {
  it.scopedLive("gives its absolute path, its name and its labels", () =>
    Effect.gen(function* () {
      const folder = writeClassifier(yield* temporaryDirectory)
      expect(yield* readClassifierFolder(folder)).toEqual({ folder, name: "bag", labels: folderLabels })
    })
  )

  it.scopedLive("is refused where a file is missing or is something else, with what to do", () =>
    Effect.gen(function* () {
      for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"]) {
        const folder = writeClassifier(yield* temporaryDirectory)
        rmSync(join(folder, file))
        expect(yield* refusal(folder)).toMatch(
          new RegExp(`has no file ${file}; put config\\.json, .*\\(nothing is downloaded\\)`)
        )
      }
      const folder = writeClassifier(yield* temporaryDirectory)
      writeFileSync(join(folder, "config.json"), '{"__proto__": {"id2label": {}}}')
      expect(yield* refusal(folder)).toContain('"__proto__" is not allowed')
      writeFileSync(join(folder, "config.json"), "{")
      expect(yield* refusal(folder)).toContain("not JSON")
      writeFileSync(join(folder, "config.json"), new Uint8Array((1 << 20) + 1))
      expect(yield* refusal(folder)).toContain("1048577 bytes")
    })
  )
})
