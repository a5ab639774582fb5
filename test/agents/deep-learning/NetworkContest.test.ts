import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Scope } from "effect"
import { whyNotBetter } from "../../../src/agents/deep-learning/NetworkContest.ts"
import { maturedRows } from "../../../src/agents/deep-learning/review.ts"
import { pickRows, type QuestionRows, questionBarsBefore } from "../../../src/agents/training/QuestionRows.ts"
import { logLosses } from "../../../src/learning/evaluation/ClassMetrics.ts"
import { mean } from "../../../src/learning/evaluation/Scoring.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { bundled } from "../../support/bundle.ts"
import { asOfAt, instrumentOf } from "../feedEvents.ts"
import { manifestOf } from "../model-manager/manifests.ts"
import { artefactOf, artefactOfAll, trained, trainedOnAll } from "../training/models.ts"
import {
  asOf,
  calibratedAs,
  costs,
  horizonBars,
  instruments,
  network,
  right,
  rows,
  saidBy,
  series,
  since,
  sureOf
} from "./outcomes.ts"

let script = ""
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  script = await Effect.runPromise(Scope.extend(bundled("src/agents/model-host/main.ts"), scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const name = "the lstm that votes"
const why = (
  challenger: Uint8Array,
  champion: Uint8Array,
  from = since + 1,
  followed: ReadonlyArray<Instrument> = instruments
) => {
  const { bytes: _bytes, digest: _digest, parent: _parent, ...manifest } = manifestOf("any", { horizonBars })
  const trained = { artefact: challenger, manifest, heldOut: { instruments: series, from } }
  const modelHost = { script, memoryBytesMax: 2 ** 30, runMsMax: 60_000 }
  return whyNotBetter(trained, { artefact: champion, name }, { costs, followed, modelHost })
}
const rowsWhere = (is: (row: number) => boolean): QuestionRows =>
  pickRows(rows, Uint32Array.from([...rows.asOf.keys()].filter(is)))
const lossOf = (artefact: Uint8Array, of = rows) =>
  Effect.map(
    Effect.promise(() => saidBy(artefact, of)),
    ({ probabilities }) => mean(Either.getOrThrow(logLosses(Float64Array.from(probabilities), of.label, 3)))
  )
const saidOn = (of: QuestionRows, was: number, is: number) =>
  `on ${of.rows} outcomes ${name} has a log loss of ${was.toFixed(4)}, and it has ${is.toFixed(4)}`

const knowing = (knownTo: number) =>
  calibratedAs(artefactOf({ ...trained, data: { ...trained.data, knownTo } }), right)
const good = calibratedAs(network, right)
const bad = calibratedAs(network, sureOf(right, "sell", 2.5))

describe("a network that is to vote in the place of another", () => {
  it.live("has to be better on the outcomes that were held out from it", () =>
    Effect.gen(function* () {
      const [well, badly] = [yield* lossOf(good), yield* lossOf(bad)]
      expect(yield* why(good, bad)).toBeUndefined()
      expect(yield* why(bad, good)).toBe(saidOn(rows, well, badly))
      expect(yield* why(good, good)).toBe(saidOn(rows, well, well))
    })
  )

  it.live("is judged on none that the other has learned from", () =>
    Effect.gen(function* () {
      const late = rowsWhere((row) => (rows.asOf[row] as number) > asOfAt(299))
      expect(late.rows).toBeLessThan(rows.rows)
      const votes = knowing(asOfAt(299))
      expect(sha256(votes)).not.toBe(sha256(good))
      expect(yield* why(bad, votes)).toBe(saidOn(late, yield* lossOf(votes, late), yield* lossOf(bad, late)))
      expect(yield* why(good, knowing(asOf))).toBe(
        `there is no outcome that neither it nor ${name} has learned from`
      )
    })
  )

  it.live("is compared on what both can be asked about, each seeing its own instruments", () =>
    Effect.gen(function* () {
      const [, other] = series as [BarSeries, BarSeries]
      const { id } = other.instrument
      const lookingAt = (...instruments: ReadonlyArray<string>) =>
        artefactOfAll({ ...trainedOnAll, data: { ...trainedOnAll.data, instruments } })
      const votes = lookingAt(id)
      const wrong = calibratedAs(network, sureOf(right, "sell", 20))
      const ofOther = rowsWhere((row) => rows.instrument[row] === 1)
      const alone = yield* maturedRows([other], since, { barsBefore: questionBarsBefore, horizonBars, costs })
      const [is, was] = [yield* lossOf(wrong, ofOther), yield* lossOf(votes, alone)]
      expect(is).toBeGreaterThan(was)
      expect(yield* why(wrong, votes)).toBe(saidOn(ofOther, was, is))
      const gone = instrumentOf("OTHER")
      expect(yield* why(good, lookingAt(id, gone.id), since + 1, [...instruments, gone])).toBe(
        `it cannot be compared with ${name}: it looks at 2 instruments together, of which 1 are followed here`
      )
    })
  )

  it.live("takes the vote of one that can be asked nothing here any more, however it did", () =>
    Effect.gen(function* () {
      const [first, second] = instruments as readonly [Instrument, Instrument]
      const lookingAt = (data: Partial<typeof trained.data>, horizon = horizonBars) =>
        artefactOfAll({
          ...{ ...trainedOnAll, horizonBars: horizon },
          data: { ...trainedOnAll.data, ...data }
        })
      const votes = lookingAt({ instruments: [first.id, second.id] })
      const wrong = calibratedAs(network, sureOf(right, "sell", 20))
      expect(yield* why(wrong, votes)).toContain(`${name} has a log loss of`)
      expect(yield* why(wrong, votes, since + 1, [first])).toBeUndefined()
      const longer = lookingAt({ instruments: [first.id, second.id] }, horizonBars + 1)
      expect(yield* why(wrong, longer)).toBeUndefined()
    })
  )
})
