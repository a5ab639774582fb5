/** Two nodes, each with a part of the agents, on one NATS server; one is killed and comes back, then the other. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { paced } from "../support/bars.ts"
import { conclave, type Line, linesOf, type Running, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { natsServer } from "../support/natsServer.ts"

const some = "deep-learning,context"
const others = "reinforcement-learning,model-manager,orchestrator,broker,market-data"

interface Answer {
  readonly _tag: "Opinion" | "Abstention"
  readonly voter: string
  readonly standIn?: string
}
const answersOf = ({ inputs }: Line) => (inputs as { readonly answers: ReadonlyArray<Answer> }).answers
const answerOf = (voter: string) => (decision: Line) =>
  answersOf(decision).find((answer) => answer.voter === voter)
const hasOwn = (voter: string) => (decision: Line) => answerOf(voter)(decision)?.standIn === "none"
const isDecision = ({ type }: Line) => type === "decision"

/** Waits for a decision among those still to come. */
const untilDecision = (what: string, running: Running, check: (decision: Line) => boolean) =>
  Effect.suspend(() => {
    const seen = running.lines().length
    return until(what, () => running.lines().slice(seen).filter(isDecision).find(check), {
      of: running,
      timeoutMs: 25_000
    })
  })

const idsOf = (lines: ReadonlyArray<Line>) => lines.filter(isDecision).map(({ id }) => id as string)

describe("two nodes with a part of the agents each", () => {
  it.scopedLive(
    "decide together, go on without the other, and lose nothing",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const { url } = yield* natsServer
        const up = (agents: string, name: string, ...extra: ReadonlyArray<string>) =>
          conclave([
            ...["up", "--agents", agents, "--nats", url, "--data-directory", join(directory, name)],
            ...["--json", ...paced, ...extra]
          ])
        // Whoever has no feed waits for the one that announces the run.
        const a = yield* up(some, "a")
        const b = yield* up(others, "b")
        // During the warm-up a voter that is away is waited for.
        const isTrading = ({ inputs }: Line) => (inputs as { readonly warmUp: boolean }).warmUp === false
        const both = (decision: Line) =>
          isTrading(decision) &&
          hasOwn("deep-learning")(decision) &&
          hasOwn("reinforcement-learning")(decision)
        yield* untilDecision("a decision of both voters", b, both)
        // Without the market data of its own, a node shows the decisions as well.
        yield* untilDecision("a decision of both voters, elsewhere", a, both)

        yield* a.killAll
        const without = yield* untilDecision(
          "a decision without the voter that is gone",
          b,
          (decision) => !hasOwn("deep-learning")(decision)
        )
        expect(hasOwn("reinforcement-learning")(without)).toBe(true)
        const again = yield* up(some, "a")
        yield* untilDecision("a decision of both voters again", b, both)

        yield* b.killAll
        yield* until("the end of the node", () => b.family().length === 0)
        const before = idsOf(b.lines())
        expect(new Set(before).size).toBe(before.length)
        const resumed = yield* up(others, "b", "--resume")
        yield* untilDecision("a decision of both voters after the resumption", resumed, both)
        const after = idsOf(resumed.lines())
        expect(after.filter((id) => before.includes(id))).toEqual([])
        // The other node saw them all, in order, from its start on.
        const seen = idsOf(again.lines())
        expect(new Set(seen).size).toBe(seen.length)

        const how = ["--nats", url, "--data-directory", join(directory, "elsewhere")]
        const listed = yield* runConclave(["decisions", "--latest", "10000", "--json", ...how])
        expect(listed).toMatchObject({ code: 0, stderr: "" })
        const recorded = linesOf(listed)
        const ids = idsOf(recorded)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids).toEqual(expect.arrayContaining(before))
        const keys = recorded.map(({ key }) => JSON.stringify(key))
        expect(new Set(keys).size).toBe(keys.length)
        const replayed = linesOf(yield* runConclave(["replay", before[0] as string, "--json", ...how]))
        expect(replayed).toMatchObject([{ type: "replay", differences: [] }])
      }),
    120_000
  )
})
