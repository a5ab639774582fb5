import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"
import { readTrials } from "../../../src/agents/backtest/TrialLedger.ts"
import { enterTraining, trainingTrial, trialFolder } from "../../../src/agents/training/trainingTrial.ts"
import { summariseTrials } from "../../../src/learning/evaluation/Trials.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { asOfAt, timeFrame } from "../feedEvents.ts"
import { manifestOf } from "../model-manager/manifests.ts"
import { settingsWith } from "../settings.ts"

const heldOutFrom = asOfAt(80)
const manifest = manifestOf("policy", {
  kind: "policy-ppo",
  metrics: [
    { name: "log-loss", value: 1 },
    { name: "base-log-loss", value: 1.05 },
    { name: "held-out", value: 20 },
    { name: "accuracy", value: 0.5 }
  ]
})

describe("a training of a running agent", () => {
  it.scoped("is entered in the ledger of the data directory, with what it was judged on and its scores", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const settings = settingsWith({ "node.dataDirectory": directory })
      yield* TestClock.setTime(asOfAt(200))
      yield* enterTraining(settings)({ manifest }, heldOutFrom)
      expect(yield* readTrials(join(directory, "trials"))).toEqual([
        {
          ...trainingTrial({ manifest }, heldOutFrom, asOfAt(200)),
          ...{ kind: "policy-ppo", timeFrame, at: asOfAt(200), sharpe: null, observations: 20 },
          data: { from: heldOutFrom, to: manifest.fittedAsOf },
          meta: [
            { name: "rows", value: manifest.data.rows },
            { name: "log-loss", value: 1 },
            { name: "base-log-loss", value: 1.05 }
          ]
        }
      ])
    })
  )

  it("is another trial by another seed, configuration or time, and the same one when it is made again", () => {
    const later = { ...manifest, fittedAsOf: asOfAt(120) }
    const others = [{ ...manifest, seed: 2 }, { ...manifest, configuration: "d".repeat(64) }, later]
    const entries = [manifest, manifest, ...others].map((one, at) =>
      trainingTrial({ manifest: one }, heldOutFrom, at)
    )
    expect(summariseTrials(entries, timeFrame)).toEqual({ trials: 4, sharpeVariance: null })
  })

  it("is entered beside the runs", () => {
    expect(trialFolder(settingsWith({ "node.dataDirectory": "somewhere" }))).toBe("somewhere/trials")
  })

  it.scoped("counts as made where the ledger cannot be written, and the log says so", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const settings = settingsWith({ "node.dataDirectory": directory })
      writeFileSync(trialFolder(settings), "in the way")
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => said.push(String(message)))
      yield* enterTraining(settings)({ manifest }, heldOutFrom).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(said.join()).toMatch(/^A training of policy-ppo was not entered as a trial: The trial ledger /)
    })
  )
})
