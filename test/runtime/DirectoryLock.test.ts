import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { lockDirectory } from "../../src/runtime/DirectoryLock.ts"
import { bundled } from "../support/bundle.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { runProgram } from "../support/program.ts"

const holder = bundled("test/support/holder.ts")
const attempt = (directory: string) => Effect.either(Effect.scoped(lockDirectory(directory, "us")))

describe("the lock on a directory", () => {
  it.scopedLive("is refused to a second holder, who is told of the first", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockDirectory(directory, "process 7, run x")
          const error = yield* Effect.flip(Effect.scoped(lockDirectory(directory, "us")))
          expect(error).toMatchObject({ _tag: "DirectoryLocked", directory, holder: "process 7, run x" })
          expect(error.message).toContain("process 7, run x")
        })
      )
      expect((yield* attempt(directory))._tag).toBe("Right")
    })
  )

  it.scopedLive(
    "is held by another process for as long as that lives, and free when it has been killed",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const process = yield* runProgram(yield* holder, ["lock", directory])
        yield* process.says((line) => line === "held")
        expect(yield* attempt(directory)).toMatchObject({
          left: { _tag: "DirectoryLocked", holder: `process ${process.pid}` }
        })
        yield* process.signal("SIGSTOP")
        expect((yield* attempt(directory))._tag).toBe("Left")
        yield* process.kill
        expect((yield* attempt(directory))._tag).toBe("Right")
      })
  )

  it.scopedLive("is not gained by who was refused: the holder still holds it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* lockDirectory(directory, "first")
      for (let i = 0; i < 3; i++) {
        expect(yield* attempt(directory)).toMatchObject({ left: { holder: "first" } })
      }
    })
  )

  it.scopedLive("says of a folder that cannot be one that it is unreadable", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "file"), "x")
      expect(yield* attempt(join(directory, "file", "below"))).toMatchObject({
        left: { _tag: "StoreUnreadable" }
      })
    })
  )
})
