import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { roundsBefore } from "../../../src/agents/streams/RoundsBefore.ts"
import { barsStream, FeedEnded } from "../../../src/protocols/Bar.ts"
import { decisionsStream } from "../../../src/protocols/Decision.ts"
import { sequenceZero } from "../../../src/protocols/wire/Ids.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import { ended } from "../feedEvents.ts"
import { append, nodeServices } from "../nodeServices.ts"
import { closeAsOfs, openFeed } from "./journalled.ts"

const sequencesOf = (records: ReadonlyArray<{ readonly sequence: number }>) =>
  records.map(({ sequence }) => sequence)

describe("the rounds before some bars", () => {
  it.scopedLive("are those that the journal had before them, each once, whenever they are asked for", () =>
    Effect.gen(function* () {
      const journal = yield* Journal
      const early = yield* roundsBefore(sequenceZero)
      expect(yield* early.next(1)).toEqual([])
      yield* openFeed(null)
      yield* closeAsOfs(0, 3)
      // The feed is opened at 1; bars stand at 2, 4, 6, their rounds at 3, 5, 7.
      expect(yield* journal.last(decisionsStream)).toBe(7)
      expect(sequencesOf(yield* early.next(4))).toEqual([3])
      expect(sequencesOf(yield* early.next(4))).toEqual([])
      expect(sequencesOf(yield* early.next(8))).toEqual([5, 7])
      expect(sequencesOf(yield* early.next(100))).toEqual([])

      yield* append(barsStream, FeedEnded, ended(0))
      const late = yield* roundsBefore(sequenceZero)
      expect(sequencesOf(yield* late.next(2))).toEqual([])
      expect(sequencesOf(yield* late.next(6))).toEqual([3, 5])
      const later = yield* roundsBefore((yield* late.next(8)).at(-1)?.sequence ?? sequenceZero)
      expect(sequencesOf(yield* later.next(8))).toEqual([])
      yield* closeAsOfs(3, 4)
      expect(sequencesOf(yield* later.next(100))).toEqual([10])
    }).pipe(Effect.provide(nodeServices()))
  )
})
