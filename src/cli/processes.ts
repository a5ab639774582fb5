/** The programs of the child processes, as the bundle has them, and the limits that they are started with. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import type { Settings } from "../agents/Settings.ts"
import type { ModelRunOptions } from "../agents/training/ModelRun.ts"
import { projectRoot } from "./settings.ts"

export interface Scripts {
  readonly modelHost: string
  readonly sentimentHost: string
  readonly trainingHost: string
  readonly trainer: string
}

export const builtScripts: Effect.Effect<Scripts> = Effect.suspend(() => {
  const script = (name: string) => join(projectRoot(), "dist", `${name}.js`)
  const scripts = {
    modelHost: script("model-host"),
    sentimentHost: script("sentiment-host"),
    trainingHost: script("training-host"),
    trainer: script("trainer")
  }
  const missing = Object.values(scripts).find((path) => !existsSync(path))
  return missing === undefined ? Effect.succeed(scripts) : Effect.dieMessage(`${missing} has not been built`)
})

export const modelHostOptions = ({ models }: Settings, { modelHost }: Scripts): ModelRunOptions => ({
  script: modelHost,
  memoryBytesMax: models.hostMemoryBytesMax,
  runMsMax: models.runMsMax
})
