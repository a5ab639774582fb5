/** A folder and those above it. Node's own recursion never ends where a file system refuses in an unexpected way. */
import { existsSync, mkdirSync } from "node:fs"
import { dirname, resolve } from "node:path"

/** Another process may have made it since we looked. */
const makeOne = (path: string): void => {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    if (!existsSync(path)) throw cause
  }
}

/** Throws what the file system says. Folders that are made belong to their owner alone. */
export const makeDirectory = (path: string): void => {
  const missing: Array<string> = []
  let folder = resolve(path)
  for (; !existsSync(folder); folder = dirname(folder)) missing.push(folder)
  for (const next of missing.reverse()) makeOne(next)
}
