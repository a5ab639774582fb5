import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { champion } from "../../../src/agents/reinforcement-learning/Policies.ts"
import type { Instrument, InstrumentId } from "../../../src/protocols/Instrument.ts"
import { asOfAt, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import {
  alias,
  asOf,
  instruments,
  made,
  quietly,
  serving,
  skewedAfter,
  skewedVersion,
  tableVersion,
  trainedWith
} from "./policyRuns.ts"

describe("the reviews of policies", () => {
  it.live(
    "calibrate anew what has become wrong, and take its vote",
    () =>
      Effect.gen(function* () {
        const run = made()
        const { policies, reviews, trainings } = run
        yield* trainedWith(trainings)
        const bad = yield* skewedVersion(run)
        yield* trainings.activate(alias, bad.digest, policies.deployments.get(alias), {
          since: asOf,
          reason: "skewed"
        })
        yield* trainings.vote(timeFrame, bad.digest, undefined, { since: asOf, reason: "skewed" })
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(bad.digest)

        yield* quietly(reviews.review(timeFrame, asOfAt(699)))
        expect(champion(policies, timeFrame)).toBeUndefined()
        expect(policies.deployments.get(serving)).toMatchObject({
          version: tableVersion,
          previous: bad.digest,
          reason: expect.stringMatching(/^on \d+ matured outcomes its log loss /)
        })
        const now = policies.deployments.get(alias)
        expect(now?.reason).toMatch(/^calibrated on \d+ matured outcomes: log loss \d\.\d+ after \d\.\d+$/)
        expect(policies.manifests.get(now?.version ?? "")).toMatchObject({
          parent: bad.digest,
          fittedAsOf: asOfAt(699),
          metrics: expect.arrayContaining([{ name: "learned-to", value: asOf }])
        })
      }),
    60_000
  )

  it.live(
    "compare a policy that votes with the policy that voted before it",
    () =>
      Effect.gen(function* () {
        const run = made()
        const { policies, reviews } = run
        const [, beta] = instruments.map(({ id }) => id) as [InstrumentId, InstrumentId]
        // The first has learned of one instrument, and is asked of that one alone.
        const { bad, before } = yield* skewedAfter(run, [beta])
        expect(policies.deployments.get(serving)?.previous).toBe(before)
        yield* quietly(reviews.review(timeFrame, asOfAt(699)))
        const now = policies.deployments.get(serving)
        expect(now).toMatchObject({ version: tableVersion, previous: bad })
        // 199 bars of one instrument, less the horizon.
        expect(now?.reason).toMatch(/^on 19\d matured outcomes its log loss .* is higher than the /)
      }),
    60_000
  )

  it.live(
    "change nothing where something else was deployed while they went on",
    () =>
      Effect.gen(function* () {
        const run = made()
        const { artefacts, manager, policies, reviews, trainings } = run
        yield* trainedWith(trainings)
        const bad = yield* skewedVersion(run)
        const why = { since: asOf, reason: "skewed" }
        yield* trainings.activate(alias, bad.digest, policies.deployments.get(alias), why)
        yield* trainings.vote(timeFrame, bad.digest, undefined, why)
        const other = yield* skewedVersion(run, { intercept: 2.6 })

        // While what voted before is fetched for comparison, another one is given the vote.
        const { fetch, publish } = manager
        const takeVote = trainings.vote(timeFrame, other.digest, policies.deployments.get(serving), why)
        manager.fetch = (version) =>
          Effect.zipRight(version === tableVersion ? Effect.orDie(takeVote) : Effect.void, fetch(version))
        // Once a calibrated version has been published, another one is deployed in the place of what it was made of.
        manager.publish = (fitted, parent) =>
          Effect.tap(publish(fitted, parent), () =>
            Effect.orDie(trainings.activate(alias, other.digest, policies.deployments.get(alias), why))
          )
        const published = artefacts.size
        yield* quietly(reviews.review(timeFrame, asOfAt(699)))
        expect(artefacts.size).toBe(published + 1)
        expect(policies.deployments.get(serving)).toMatchObject({ version: other.digest, reason: "skewed" })
        expect(policies.deployments.get(alias)).toMatchObject({ version: other.digest, reason: "skewed" })
      }),
    60_000
  )

  it.live(
    "judge a policy on all that has matured since it was given the vote, also where it was calibrated anew since",
    () =>
      Effect.gen(function* () {
        const run = made()
        const { policies, reviews, trainings } = run
        yield* trainedWith(trainings)
        const good = policies.deployments.get(alias)
        yield* trainings.vote(timeFrame, good?.version ?? "", undefined, {
          since: asOf,
          reason: "it was better"
        })
        const bad = yield* skewedVersion(run, { learnedTo: asOf })
        const why = { since: asOfAt(680), reason: "calibrated anew" }
        yield* trainings.activate(alias, bad.digest, good, why)
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(bad.digest)
        yield* quietly(reviews.review(timeFrame, asOfAt(699)))
        expect(policies.deployments.get(serving)).toMatchObject({
          version: tableVersion,
          reason: expect.stringMatching(/^on 39\d matured outcomes its log loss /)
        })
      }),
    60_000
  )

  it.live(
    "take the vote of a policy that is worse where the policy before it can be asked about too little, or not at all",
    () =>
      Effect.gen(function* () {
        const [, beta] = instruments.map(({ id }) => id) as [InstrumentId, InstrumentId]
        // Of two instruments there are enough outcomes by then, of the one that the other had learned of there are not.
        for (const [until, isThere, outcomes] of [
          [579, true, /^on 15\d matured outcomes its log loss /],
          [699, false, /^on 39\d matured outcomes its log loss /]
        ] as const) {
          const run = made()
          const { artefacts, policies, reviews } = run
          const { bad, before } = yield* skewedAfter(run, [beta])
          if (!isThere) artefacts.delete(before)
          yield* quietly(reviews.review(timeFrame, asOfAt(until)))
          expect(policies.deployments.get(serving)).toMatchObject({
            ...{ version: tableVersion, previous: bad },
            reason: expect.stringMatching(outcomes)
          })
        }
      }),
    60_000
  )

  it.live(
    "take the vote of a policy that can answer nothing any more, and calibrate none by outcomes of another horizon",
    () =>
      Effect.gen(function* () {
        const first = made()
        const [alpha, beta] = instruments as [Instrument, Instrument]
        yield* trainedWith(first.trainings, { instruments: [alpha.id] })
        const bad = yield* skewedVersion(first)
        const why = { since: asOf, reason: "it was better" }
        yield* first.trainings.activate(alias, bad.digest, first.policies.deployments.get(alias), why)
        const cases = [
          [
            { instruments: [beta] },
            `the policy has learned of ${alpha.id} alone, and that is not followed here`
          ],
          [
            { settings: settingsWith({ "models.runMsMax": 60_000, "orchestrator.horizonBars": 7 }) },
            "the policy looks 4 bars ahead, not 7"
          ]
        ] as const
        for (const [changes, reason] of cases) {
          const next = made({ ...changes, registry: first.registry })
          const { policies, reviews, trainings } = next
          yield* trainings.vote(timeFrame, bad.digest, policies.deployments.get(serving), why)
          yield* quietly(reviews.review(timeFrame, asOfAt(699)))
          expect(policies.deployments.get(serving)).toMatchObject({
            ...{ version: tableVersion, previous: bad.digest, reason }
          })
          expect(policies.deployments.get(alias)?.version).toBe(bad.digest)
        }
      }),
    60_000
  )
})
