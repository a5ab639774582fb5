/**
 * Every file of labelled sentences of the reference data: classifiers that are chosen and fitted without the sentences they
 * are judged by have to be right about 70% of them over several seeds, and to say probabilities that mean what they say.
 */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readLabelled } from "../../src/agents/sentiment/SentenceFile.ts"
import { trainSentiment } from "../../src/agents/sentiment/trainSentiment.ts"
import { bundled } from "../support/bundle.ts"
import { root } from "./referenceFiles.ts"

const folder = join(root, "sentiment")
const files = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => /\.csv(\.gz)?$/.test(name))
      .sort()
  : []

const accuracyMin = 0.7
const calibrationErrorMax = 0.05

const title =
  files.length > 0
    ? "labelled sentences"
    : `labelled sentences (skipped: no folder sentiment with CSV files in ${root}; set CONCLAVE_DATA to a folder that has one)`

describe.skipIf(files.length === 0)(title, () => {
  it.scopedLive.each(files)("%s", (name) =>
    Effect.gen(function* () {
      const modelHost = yield* bundled("src/agents/model-host/main.ts")
      const labelled = yield* readLabelled(join(folder, name))
      const options = { scripts: { modelHost }, memoryBytesMax: 2 ** 30, runMsMax: 30_000 }
      const training = { folds: 5, repeats: 3, seed: 1 }
      const { checked, report } = yield* trainSentiment(labelled, training, options, () => Effect.void)
      const { accuracy, baseline, calibrationError, logLoss, macroF1 } = report
      expect(report.sentences).toBe(labelled.length)
      expect(accuracy.overSeeds.least).toBeGreaterThanOrEqual(accuracyMin)
      expect(accuracy.overFolds.least).toBeGreaterThan(baseline.accuracy)
      expect(macroF1.least).toBeGreaterThan(0.6)
      expect(logLoss.most).toBeLessThan(baseline.logLoss)
      expect(calibrationError.most).toBeLessThan(calibrationErrorMax)
      expect(checked.difference).toBeLessThan(1e-6)
    })
  )
})
