/** The models that come with the program: there is one of each kind, whole, small, and of the default bars. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { networkKindOf } from "../src/agents/deep-learning/Deployed.ts"
import { readModelFile } from "../src/agents/training/ModelFile.ts"
import { fittedOf, shippedModels } from "../src/agents/voter/shipped.ts"
import { NetworkModel } from "../src/protocols/Prediction.ts"
import { settingsWith } from "./agents/settings.ts"
import { root } from "./support/conclave.ts"

const folder = join(root, "models")
const bytesMax = 10 * 2 ** 20
const { marketData, models, orchestrator } = settingsWith()

describe("the models that come with the program", () => {
  it.effect("are read, with their checksums, and say what they are", () =>
    Effect.gen(function* () {
      const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"))
      const kinds: Array<string> = []
      for (const name of files) {
        const model = yield* readModelFile(join(folder, name))
        kinds.push(fittedOf(model)?.manifest.kind ?? `${name} says nothing`)
      }
      expect(kinds.sort()).toEqual(["linear", "q-table", ...NetworkModel.literals.map(networkKindOf)].sort())
      const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
      expect(bytes).toBeLessThan(bytesMax)
    })
  )

  it.effect("are those that a first start deploys", () =>
    Effect.gen(function* () {
      const { horizonBars } = orchestrator
      const wanted = { timeFrame: marketData.timeFrame, horizonBars }
      const of = (voter: string) => shippedModels({ root, folder: models.shippedPath }, { voter, ...wanted })
      expect((yield* of("deep-learning")).length).toBe(NetworkModel.literals.length + 1)
      expect((yield* of("reinforcement-learning")).length).toBe(1)
    })
  )
})
