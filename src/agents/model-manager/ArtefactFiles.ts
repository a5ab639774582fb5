/**
 * Artefacts on disk, named by the SHA-256 of their content. One is there whole or not at all: it is written beside
 * its place, synced, renamed, and the folder synced. It is read through the digest alone (no path comes from
 * outside) and checked against it every time.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ArtefactRefused, StorageFailed, UnknownModel } from "../../protocols/errors.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"

const extension = ".onnx"

const failed = (cause: unknown) =>
  new StorageFailed({ reason: cause instanceof Error ? cause.message : String(cause) })

const syncFolder = (folder: string) => {
  const handle = openSync(folder, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

export const artefactFiles = (folder: string) => {
  const pathOf = (digest: string) => join(folder, `${digest}${extension}`)

  return {
    folder,
    has: (digest: string): boolean => existsSync(pathOf(digest)),

    write: (digest: string, bytes: Uint8Array): Effect.Effect<void, ArtefactRefused | StorageFailed> =>
      Effect.suspend((): Effect.Effect<void, ArtefactRefused | StorageFailed> => {
        const actual = sha256(bytes)
        if (actual !== digest) {
          return new ArtefactRefused({ digest, reason: `its content has the digest ${actual.slice(0, 12)}` })
        }
        return Effect.try({
          try: () => {
            mkdirSync(folder, { recursive: true })
            const temporary = `${pathOf(digest)}.part`
            const handle = openSync(temporary, "w", 0o600)
            try {
              writeSync(handle, bytes)
              fsyncSync(handle)
            } finally {
              closeSync(handle)
            }
            renameSync(temporary, pathOf(digest))
            syncFolder(folder)
          },
          catch: failed
        })
      }),

    read: (digest: string): Effect.Effect<Uint8Array, UnknownModel | ArtefactRefused | StorageFailed> =>
      Effect.suspend((): Effect.Effect<Uint8Array, UnknownModel | ArtefactRefused | StorageFailed> => {
        const path = pathOf(digest)
        if (!existsSync(path)) return new UnknownModel({ model: digest })
        // A link could lead anywhere, and a second name for the file could change it under our hands.
        const stat = lstatSync(path)
        if (!stat.isFile() || stat.nlink > 1) return new ArtefactRefused({ digest, reason: "it is a link" })
        if (stat.size > Limits.artefactBytesMax) {
          return new ArtefactRefused({ digest, reason: `it has ${stat.size} bytes` })
        }
        return Effect.flatMap(Effect.try({ try: () => readFileSync(path), catch: failed }), (bytes) =>
          sha256(bytes) === digest
            ? Effect.succeed(bytes)
            : new ArtefactRefused({ digest, reason: "its content does not match its digest" })
        )
      }),

    remove: (digest: string): Effect.Effect<void> =>
      Effect.sync(() => rmSync(pathOf(digest), { force: true }))
  }
}

export type ArtefactFiles = ReturnType<typeof artefactFiles>
