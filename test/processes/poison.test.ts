/** Messages that nobody can act on, published by a stranger on the subjects of a running system. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "nats"
import { quick } from "../support/bars.ts"
import { conclave, type Line, linesOf, runConclave, until, untilAnswered } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { natsServer } from "../support/natsServer.ts"

const agents = [
  ...["market-data", "context", "model-manager", "deep-learning", "reinforcement-learning"],
  ...["orchestrator", "broker", "node"]
]

const text = (value: string) => new TextEncoder().encode(value)
const request = (fields: Readonly<Record<string, unknown>>) =>
  text(
    JSON.stringify({
      client: "_INBOX.stranger",
      _tag: "Request",
      id: "1",
      tag: "Nodes",
      headers: [],
      ...fields
    })
  )

const payloadBytesMax = 1024 * 1024

/** What is published, and what is said of it. */
const poisons: ReadonlyArray<readonly [data: Uint8Array, reason: RegExp]> = [
  [new Uint8Array(0), /JSON/i],
  [Uint8Array.from({ length: 300 }, (_, i) => (i * 7919) % 256), /UTF-8|JSON/i],
  [text("{"), /JSON/i],
  [text("[".repeat(100_000)), /deep|nest/i],
  [text('{"__proto__":{"isAdmin":true}}'), /__proto__/],
  [text('{"client":"x","_tag":"Request","id":1e999}'), /./],
  [text('{"client":"_INBOX.x","_tag":"Nonsense"}'), /no message of kind Nonsense/],
  [request({ id: "not a number" }), /not a request/],
  [new Uint8Array(payloadBytesMax).fill(120), /./],
  [text(`{"client":"${"x".repeat(payloadBytesMax - 20)}"}`), /./]
]

interface Component {
  readonly name: string
  readonly state: string
  readonly restarts: number
}
interface Status {
  readonly node: string
  readonly run: string
  readonly tree: { readonly children: ReadonlyArray<Component> }
  readonly counters: ReadonlyArray<{ readonly name: string; readonly value: number }>
}

describe("messages that nobody can act on", () => {
  it.scopedLive(
    "become dead letters with their reason and harm nobody",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const { url } = yield* natsServer
        const up = yield* conclave([
          ...["up", "--instruments", "3", "--seed", "2", "--speed", "300x", "--json", "--nats", url],
          ...["--data-directory", directory, ...quick]
        ])
        yield* until("decisions", () => up.lines().length > 0, { of: up })
        const how = ["--data-directory", directory]
        const status = Effect.map(runConclave(["status", "--json", ...how]), (ended) => {
          expect(ended.stderr).toBe("")
          return (linesOf(ended)[0] as Line & { nodes: ReadonlyArray<{ status: Status }> }).nodes[0]?.status
        })
        const { run } = (yield* status) as Status

        const stranger = yield* Effect.acquireRelease(
          Effect.promise(() => connect({ servers: url })),
          (connection) => Effect.promise(() => connection.close())
        )
        for (const [data] of poisons) {
          for (const agent of agents) {
            stranger.publish(`conclave.v1.${run}.rpc.${agent}.any`, data, { reply: "_INBOX.stranger.x" })
          }
          stranger.publish(`conclave.v1.${run}.topic.heartbeats`, data)
        }
        stranger.publish(`conclave.v1.${run}.control.broker.any`, text("stop!"))
        yield* Effect.promise(() => stranger.flush())

        // A request that is none of the agent's, or whose payload does not decode, is answered.
        const ask = (agent: string, data: Uint8Array) =>
          Effect.promise(() =>
            stranger.request(`conclave.v1.${run}.rpc.${agent}.any`, data, { timeout: 5_000 })
          )
        expect((yield* ask("node", request({ tag: "Nonsense" }))).string()).toContain("UnknownCall")
        const bad = request({ id: "2", tag: "Decide", payload: { instrument: 3 } })
        expect((yield* ask("orchestrator", bad)).string()).toContain("BadRequest")

        const expected = poisons.length * (agents.length + 1) + 2
        const after = yield* untilAnswered(
          `${expected} dead letters`,
          Effect.map(status, (now) => {
            const counted = now?.counters.find(({ name }) => name === "dead-letters")?.value ?? 0
            return counted >= expected ? now : undefined
          })
        )
        for (const { name, restarts, state } of after.tree.children) {
          expect({ name, restarts, state }).toEqual({ name, restarts: 0, state: "running" })
        }
        const log = join(directory, "node", "runs", run, "log.ndjson")
        const letters = yield* until("all of them in the log", () => {
          const lines = readFileSync(log, "utf8").split("\n")
          const found = lines.filter((line) => line.includes("became a dead letter"))
          return found.length >= expected ? found : undefined
        })
        for (const [, reason] of poisons) expect(letters.some((line) => reason.test(line))).toBe(true)
        for (const agent of agents) expect(letters.some((line) => line.includes(`${agent}.rpc`))).toBe(true)
        expect(letters.some((line) => line.includes("topic.heartbeats"))).toBe(true)

        const decided = up.lines().length
        yield* until("decisions to come", () => up.lines().length > decided + 6, { of: up })
        const plain = yield* runConclave(["status", ...how])
        expect(plain.stdout).toContain(`${expected} messages that nobody could act on`)
      }),
    60_000
  )
})
