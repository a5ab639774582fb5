import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { linearLearner } from "../../../src/agents/deep-learning/LinearLearner.ts"
import { followedOf } from "../../../src/agents/voter/Followed.ts"
import { opened, simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"

const learner = linearLearner(settingsWith())
const { evolve, initial, snapshot } = followedOf(learner)
const { events, instruments } = simulated({ seed: 5, count: 90 })
const json = Schema.parseJson(snapshot)

describe("what a voter keeps of the stream of bars", () => {
  it.each([250, null])(
    "knows the pace %s of the run in a life that began after the feed was opened",
    (paceMs) => {
      const first = [opened(instruments, { paceMs }), ...events.slice(0, 60)].reduce(evolve, initial())
      const later = Schema.decodeSync(json)(Schema.encodeSync(json)(first))
      const now = events.slice(60).reduce(evolve, later)
      expect(now.paceMs).toBe(paceMs)
      expect(Schema.encodeSync(learner.snapshot)(now.learner)).toEqual(
        Schema.encodeSync(learner.snapshot)(events.reduce(learner.evolve, learner.initial()))
      )
    }
  )
})
