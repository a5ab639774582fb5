/** Whether a result can be written where it is wanted, asked before anything is done for it. */
import { accessSync, constants, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Effect } from "effect"
import { UsageError } from "./errors.ts"

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

const isWritable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** @param read files that must not be written over */
export const checkOutput = (output: string, read: ReadonlyArray<string>): Effect.Effect<void, UsageError> =>
  Effect.suspend(() => {
    const path = resolve(output)
    const folder = dirname(path)
    const refuse = (reason: string) => new UsageError({ reason })
    if (read.some((other) => resolve(other) === path))
      return refuse(`${output} would be written over what is read.`)
    if (!isFolder(folder)) return refuse(`There is no folder ${folder} to write to.`)
    if (isFolder(path)) return refuse(`${output} is a folder.`)
    return isWritable(folder) ? Effect.void : refuse(`The folder ${folder} cannot be written to.`)
  })
