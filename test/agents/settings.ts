/** The configuration of a test: the defaults, and what the test puts in their place. */
import { readFileSync } from "node:fs"
import { Either } from "effect"
import { Settings } from "../../src/agents/Settings.ts"
import * as Configuration from "../../src/runtime/Configuration.ts"

export const defaults: Configuration.Document = {
  name: "config/default.yaml",
  text: readFileSync(new URL("../../config/default.yaml", import.meta.url), "utf8")
}

/** @param changes by path: `{ "deepLearning.rowsMin": 50 }` */
export const settingsWith = (changes: Readonly<Record<string, string | number | boolean>> = {}): Settings =>
  Either.getOrThrow(
    Configuration.load(Settings, {
      documents: [defaults],
      environment: {},
      flags: Object.entries(changes).map(([path, value]) => [`--${path}`, String(value)] as const)
    })
  ).value
