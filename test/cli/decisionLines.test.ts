import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Schema, Stream } from "effect"
import { enveloped } from "../../src/agents/NodeContext.ts"
import { decisionLine, rawDecisions } from "../../src/cli/decisionLines.ts"
import { Decision, decisionsStream, RoundClosed } from "../../src/protocols/Decision.ts"
import { Epoch, Sequence, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import { run } from "../agents/feedEvents.ts"
import { append, nodeServices } from "../agents/nodeServices.ts"
import { type Round, session } from "../agents/orchestrator/rounds.ts"

const { rounds } = session(51, 30)
const decisions = rounds.flatMap((round) => round.decisions)

const writeRound = (round: Round) =>
  append(
    decisionsStream,
    RoundClosed,
    enveloped(
      { run, source: "orchestrator", asOf: round.asOf, subject: `round-${round.barsSequence}` },
      round
    )
  )

const first = (count: number, after = sequenceZero) =>
  Effect.flatMap(Journal, (journal) =>
    rawDecisions(journal, after).pipe(
      Stream.take(count),
      Stream.runCollect,
      Effect.map(Chunk.toReadonlyArray)
    )
  )

describe("decisions as lines of JSON", () => {
  it("are one line each, that says what it is and holds the whole record", () => {
    for (const decision of decisions) {
      const line = decisionLine(decision)
      expect(line.endsWith("\n")).toBe(true)
      expect(line.slice(0, -1)).not.toContain("\n")
      const { type, ...rest } = JSON.parse(line) as { readonly type: string }
      expect(type).toBe("decision")
      expect(Schema.decodeUnknownSync(Decision)(rest)).toEqual(decision)
    }
  })

  it("stay one line when a reason holds a line break", () => {
    const line = decisionLine({ ...decisions[0], degraded: "first\nsecond" })
    expect(line.split("\n").length).toBe(2)
  })

  it.scopedLive("are those of the journal, in its order, by the event that brought them", () =>
    Effect.gen(function* () {
      const sequences = yield* Effect.forEach(rounds, writeRound)
      const read = yield* first(rounds.length)
      expect(read.map(({ sequence }) => sequence)).toEqual(sequences)
      expect(read.flatMap((round) => round.decisions)).toEqual(decisions)
      const later = yield* first(5, Sequence.make(sequences[24] as number))
      expect(later.map(({ sequence }) => sequence)).toEqual(sequences.slice(25))
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive("pass over what is no round, and go on", () =>
    Effect.gen(function* () {
      const journal = yield* Journal
      const epoch = Epoch.make(1)
      const data = Buffer.from("no event")
      yield* journal.append({ stream: decisionsStream, expected: sequenceZero, epoch, id: "noise", data })
      yield* Effect.forEach(rounds.slice(20, 25), writeRound)
      const [noise, ...read] = yield* first(6)
      expect(noise?.decisions).toEqual([])
      expect(read.flatMap((round) => round.decisions).length).toBeGreaterThan(0)
    }).pipe(Effect.provide(nodeServices()))
  )
})
