/** One trace runs from the bars of an as-of to its opinions, its decisions, the order and the fill. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick } from "../support/bars.ts"
import { linesOf, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | null
  readonly name: string
  readonly ok: boolean
}

const way = ["market-data.as-of", "orchestrator.round", "RpcClient.Opine", "RpcServer.Opine", "broker.orders"]

const readSpans = (path: string): ReadonlyArray<Span> =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Span)

describe("a trace", () => {
  for (const transport of ["in-process", "nats"]) {
    it.scopedLive(
      `runs from the bars to the fill (${transport})`,
      () =>
        Effect.gen(function* () {
          const directory = join(yield* temporaryDirectory, "data")
          const ended = yield* runConclave([
            ...["up", "--speed", "max", "--instruments", "3", "--seed", "2", "--as-ofs", "150", "--json"],
            ...["--telemetry.tracing", "--transport", transport, "--data-directory", directory],
            ...quick
          ])
          expect(ended.code).toBe(0)
          const lines = linesOf(ended)
          const summary = lines.at(-1)
          const fills = summary?.fills as number
          expect(fills).toBeGreaterThan(0)
          const spans = readSpans(join(directory, "node", "runs", summary?.run as string, "spans.ndjson"))
          const byTrace = new Map<string, Set<string>>()
          for (const { name, ok, traceId } of spans) {
            expect(ok).toBe(true)
            byTrace.set(traceId, (byTrace.get(traceId) ?? new Set()).add(name))
          }
          for (const { traceId } of lines.slice(0, -1)) {
            expect([...(byTrace.get(traceId as string) ?? [])]).toEqual(expect.arrayContaining(way))
          }
          // A fill belongs to the trace of the decision that caused it, not to that of the bars that filled it.
          const filling = [...byTrace.values()].filter((names) => names.has("broker.fill"))
          expect(filling.length).toBeGreaterThan(0)
          for (const names of filling) expect([...names]).toEqual(expect.arrayContaining(way))
          expect(spans.filter(({ name }) => name === "broker.fill")).toHaveLength(fills)
        }),
      60_000
    )
  }
})
