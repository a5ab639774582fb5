/**
 * Programs for tests that need a process of their own: bundled as the program itself is, into a folder that is gone
 * after the test.
 */
import { symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { build } from "esbuild"
import { temporaryDirectory } from "./directory.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The path of the bundle of a TypeScript program, given by its path in the checkout. */
export const bundled = (entry: string) =>
  Effect.tap(
    Effect.map(temporaryDirectory, (directory) => join(directory, "program.mjs")),
    (outfile) =>
      Effect.promise(() => {
        symlinkSync(join(root, "node_modules"), join(outfile, "..", "node_modules"))
        return build({
          absWorkingDir: root,
          entryPoints: [entry],
          outfile,
          bundle: true,
          platform: "node",
          target: "node20",
          format: "esm",
          external: ["better-sqlite3", "onnxruntime-node"],
          banner: {
            js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);'
          },
          logLevel: "warning"
        })
      })
  )
