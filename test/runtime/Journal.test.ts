import { join } from "node:path"
import { describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { RunId } from "../../src/protocols/wire/Ids.ts"
import * as JetStreamJournal from "../../src/runtime/JetStreamJournal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import * as Store from "../../src/runtime/Store.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { natsBus } from "../support/nats.ts"
import { journalConformance } from "./journalConformance.ts"

const sqlite = Layer.unwrapScoped(
  Effect.map(temporaryDirectory, (directory) =>
    SqliteJournal.layer.pipe(
      Layer.provide(Store.layer({ path: join(directory, "store.db"), durability: "process" }))
    )
  )
)

describe("the journal in SQLite", () => {
  journalConformance(sqlite)
})

describe("the journal in JetStream", () => {
  journalConformance(
    JetStreamJournal.layer({ run: RunId.make("test"), bytesMax: 64 * 1024 * 1024 }).pipe(
      Layer.provide(natsBus)
    )
  )
})
