// @ts-check
/**
 * What writes into the database: jobs, each a list of statements, as many as are waiting in one transaction. If one
 * of them fails the transaction is undone and its jobs are tried one by one, so that nobody fails for another's fault.
 *
 * Where a commit waits for the disk this runs as a thread, so that nothing else waits with it. Threads are started
 * from a file, and Node runs no TypeScript: hence JavaScript.
 */
import { parentPort, workerData } from "node:worker_threads"
import Database from "better-sqlite3"

/** @typedef {readonly [text: string, parameters: ReadonlyArray<unknown>]} WriterStatement */
/** @typedef {ReadonlyArray<WriterStatement>} WriterJob */
/** @typedef {{ readonly path: string, readonly pragmas: ReadonlyArray<string> }} WriterOptions */

/** Prepared statements that are kept. */
const preparedMax = 256

/** @param {unknown} cause */
const reasonOf = (cause) => (cause instanceof Error ? cause.message : String(cause))

/** @param {WriterOptions} options */
export const openWriter = ({ path, pragmas }) => {
  const database = new Database(path)
  for (const pragma of pragmas) database.pragma(pragma)
  /** @type {Map<string, Database.Statement<unknown[]>>} */
  const prepared = new Map()

  /** @param {WriterStatement} statement */
  const run = ([text, parameters]) => {
    let statement = prepared.get(text)
    if (statement === undefined) {
      if (prepared.size >= preparedMax) prepared.clear()
      statement = database.prepare(text)
      prepared.set(text, statement)
    }
    if (statement.reader) statement.all(...parameters)
    else statement.run(...parameters)
  }

  /**
   * On any failure, at the commit too, nothing of it remains.
   * @param {ReadonlyArray<WriterJob>} jobs
   */
  const transact = (jobs) => {
    try {
      database.exec("BEGIN IMMEDIATE")
      for (const job of jobs) job.forEach(run)
      database.exec("COMMIT")
    } catch (cause) {
      // A full disk may have undone it by itself.
      if (database.inTransaction) database.exec("ROLLBACK")
      throw cause
    }
  }

  /**
   * Of each job the reason why it failed, or null once it is on disk.
   * @param {ReadonlyArray<WriterJob>} jobs
   * @returns {ReadonlyArray<string | null>}
   */
  const commit = (jobs) => {
    try {
      transact(jobs)
      return jobs.map(() => null)
    } catch (cause) {
      return jobs.length === 1 ? [reasonOf(cause)] : jobs.flatMap((job) => commit([job]))
    }
  }

  return { commit, close: () => void database.close() }
}

/** Answers each list of jobs by what came of them, and ends at null. */
export const threadOf = "conclave-store-writer"

if (parentPort !== null && workerData?.[threadOf] !== undefined) {
  const port = parentPort
  const writer = openWriter(workerData[threadOf])
  port.on("message", (jobs) => {
    if (jobs !== null) return port.postMessage(writer.commit(jobs))
    writer.close()
    port.close()
  })
  port.postMessage([])
}
