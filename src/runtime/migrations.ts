/** The tables of a node's store, step by step. A step that has been released is never changed. */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

const first = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    previous INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    id TEXT NOT NULL,
    data BLOB NOT NULL,
    hash TEXT NOT NULL
  ) STRICT`
  yield* sql`CREATE INDEX events_by_stream ON events (stream, sequence)`
  yield* sql`CREATE TABLE fences (stream TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT`
  yield* sql`CREATE TABLE leases (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT`
  yield* sql`CREATE TABLE snapshots (
    fold TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (fold, sequence)
  ) STRICT`
  yield* sql`CREATE TABLE cursors (
    consumer TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL
  ) STRICT`
  yield* sql`CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    data BLOB NOT NULL,
    record TEXT UNIQUE
  ) STRICT`
  yield* sql`CREATE TABLE parked (
    consumer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (consumer, sequence)
  ) STRICT`
  yield* sql`CREATE TABLE context_items (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    instrument TEXT,
    occurred_at INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT`
  yield* sql`CREATE INDEX context_by_type ON context_items (type, occurred_at)`
  yield* sql`CREATE INDEX context_by_instrument ON context_items (type, instrument, occurred_at)`
  yield* sql`CREATE TABLE decision_index (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    instrument TEXT NOT NULL,
    as_of INTEGER NOT NULL
  ) STRICT`
  yield* sql`CREATE INDEX decision_by_sequence ON decision_index (sequence)`
})

export const migrations = {
  "0001_tables": first
}
