/** Files that are there whole or not at all: written beside their place, synced, renamed, and the folder synced. */
import { open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect } from "effect"
import { makeDirectory } from "../../runtime/makeDirectory.ts"
import { FileUnwritable } from "./errors.ts"

export const writeWholeFile = async (
  path: string,
  parts: ReadonlyArray<Uint8Array>,
  mode = 0o600
): Promise<void> => {
  const beside = `${path}.part`
  try {
    const file = await open(beside, "w", mode)
    try {
      for (const part of parts) await file.writeFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (cause) {
    await rm(beside, { force: true })
    throw cause
  }
  const folder = await open(dirname(path), "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const reasonOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === "ENOSPC") return "the disk is full"
  if (code === "EACCES" || code === "EPERM") return "permission is denied"
  return message
}

/** The same as an effect; what folders are missing are made. */
export const writeWhole = (
  path: string,
  parts: ReadonlyArray<Uint8Array>,
  mode?: number
): Effect.Effect<void, FileUnwritable> =>
  Effect.tryPromise({
    try: async () => {
      makeDirectory(dirname(path))
      await writeWholeFile(path, parts, mode)
    },
    catch: (cause) => new FileUnwritable({ path, reason: reasonOf(cause) })
  })
