import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { type Ask, divided } from "../../../src/agents/voter/divided.ts"
import type { Question } from "../../../src/protocols/Opinion.ts"
import { asOfAt, instrumentOf, timeFrame } from "../feedEvents.ts"

const questionAt = (asOf: number): Question => ({
  ...{ instrument: instrumentOf("ALPHA").id, timeFrame, asOf: asOfAt(asOf) },
  ...{ horizonBars: 4, band: 0.005, roundTripCost: 0.0014, sigma: 0.02 }
})

describe("questions that two answer", () => {
  it("have one answer each, in their order, of whom they belong to; nobody is asked nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 12 }), (mine) => {
        const asked: Array<string> = []
        const saying =
          (who: string): Ask<string, never> =>
          (some) =>
            Effect.sync(() => {
              asked.push(who)
              return some.map(({ asOf }) => `${who} ${asOf}`)
            })
        const isOwn = ({ asOf }: Question) => mine[mine.findIndex((_, i) => asOfAt(i) === asOf)] === true
        const questions = mine.map((_, i) => questionAt(i))
        const answers = Effect.runSync(divided(questions, isOwn, saying("own"), saying("rest")))
        expect(answers).toEqual(mine.map((is, i) => `${is ? "own" : "rest"} ${asOfAt(i)}`))
        const parties = [...(mine.includes(true) ? ["own"] : []), ...(mine.includes(false) ? ["rest"] : [])]
        expect(asked).toEqual(parties)
      })
    )
  })
})
