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
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { ArtefactRefused, StorageFailed, UnknownModel } from "../../protocols/errors.ts"
import { Digest } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import { makeDirectory } from "../../runtime/makeDirectory.ts"
import type { Settings } from "../Settings.ts"
import { ArtefactDamaged } from "./errors.ts"

const extension = ".onnx"

const isDigest = Schema.is(Digest)
const noDigest = (id: string) =>
  new ArtefactRefused({ digest: id.slice(0, 64), reason: "its name is no digest" })

/** Where the artefacts of a run are, unless another place is configured. */
export const artefactFolder = (runDirectory: string, settings: Settings): string =>
  settings.models.registryPath === "" ? join(runDirectory, "models") : settings.models.registryPath

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
    /**
     * Reads every artefact once. A run that goes on with one that is damaged would come to other results than it
     * would have otherwise, and nobody would know.
     */
    verify: Effect.suspend((): Effect.Effect<void, ArtefactDamaged> => {
      const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(extension)) : []
      const damaged = names.find(
        (name) => sha256(readFileSync(join(folder, name))) !== name.slice(0, -extension.length)
      )
      return damaged === undefined ? Effect.void : new ArtefactDamaged({ path: join(folder, damaged) })
    }),
    has: (digest: string): boolean => isDigest(digest) && existsSync(pathOf(digest)),

    write: (digest: string, bytes: Uint8Array): Effect.Effect<void, ArtefactRefused | StorageFailed> =>
      Effect.suspend((): Effect.Effect<void, ArtefactRefused | StorageFailed> => {
        if (!isDigest(digest)) return noDigest(digest)
        const actual = sha256(bytes)
        if (actual !== digest) {
          return new ArtefactRefused({ digest, reason: `its content has the digest ${actual.slice(0, 12)}` })
        }
        return Effect.try({
          try: () => {
            makeDirectory(folder)
            const temporary = `${pathOf(digest)}.part`
            const handle = openSync(temporary, "w", 0o600)
            try {
              // As often as it takes: a disk that is nearly full takes a part and says nothing.
              writeFileSync(handle, bytes)
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
        if (!isDigest(digest)) return noDigest(digest)
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
      Effect.sync(() => (isDigest(digest) ? rmSync(pathOf(digest), { force: true }) : undefined))
  }
}

export type ArtefactFiles = ReturnType<typeof artefactFiles>
