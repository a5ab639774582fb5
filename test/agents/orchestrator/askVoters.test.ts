import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Logger, TestClock } from "effect"
import {
  type AskOptions,
  askVoters,
  type BaseRate,
  type Voter
} from "../../../src/agents/orchestrator/askVoters.ts"
import type { Answer, ModelChoice, Question } from "../../../src/protocols/Opinion.ts"
import {
  AgentUnreachable,
  BadRequest,
  type CallError,
  DeadlineExceeded,
  InternalError
} from "../../../src/protocols/wire/errors.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import { instrumentOf } from "../feedEvents.ts"
import { abstention, alpha, bearish, opinion, question } from "./inputs.ts"

const name = "deep-learning"
const unreachable = new AgentUnreachable({ agent: name, call: "Opine" })
const late = new DeadlineExceeded({ agent: name, call: "Opine", afterMs: 1_000 })
const unreadable = new BadRequest({ agent: name, call: "Opine" })

type Reply = Effect.Effect<ReadonlyArray<Answer>, CallError>

/** A voter that replies by what is asked and how often it has been, and notes what it was asked for. */
const voterThat = (
  reply: (model: ModelChoice, times: number, questions: ReadonlyArray<Question>) => Reply
) => {
  const asked: Array<ModelChoice> = []
  const Opine = ({ model, questions }: { questions: ReadonlyArray<Question>; model: ModelChoice }) =>
    Effect.suspend(() => {
      asked.push(model)
      return reply(model, asked.length, questions)
    })
  return { asked, voter: { name, client: { Opine } as unknown as Voter["client"] } satisfies Voter }
}

const fine = opinion(name)
const baseRate: BaseRate = { probabilities: bearish, outcomes: 30 }
const rates = (rate: BaseRate | undefined = baseRate) =>
  new Map(rate === undefined ? [] : [[alpha.id as string, rate]])

const paced = (changes: Partial<AskOptions> = {}): AskOptions => ({
  deadlineMs: 1_000,
  tries: 3,
  patienceMs: null,
  absent: new Set(),
  ...changes
})

/** The answers to one question, with the clock moved on by a minute. */
const ask = (
  voter: Voter,
  options: AskOptions,
  baseRates: ReadonlyMap<string, BaseRate> = rates(),
  forwardMs = 60_000
) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(askVoters([voter], [question], baseRates, options))
    yield* TestClock.adjust(forwardMs)
    const answers = yield* Fiber.join(fiber)
    return answers.get(alpha.id)?.[0]
  }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))

describe("asking the voters while the clock rules", () => {
  it.effect("takes what the active model says, asked once", () =>
    Effect.gen(function* () {
      const { asked, voter } = voterThat(() => Effect.succeed([fine]))
      expect(yield* ask(voter, paced())).toEqual(fine)
      expect(asked).toEqual(["active"])
    })
  )

  it.effect("takes an abstention for an answer: it is not tried again and nobody stands in", () =>
    Effect.gen(function* () {
      const { asked, voter } = voterThat(() => Effect.succeed([abstention(name)]))
      expect(yield* ask(voter, paced())).toEqual(abstention(name))
      expect(asked).toEqual(["active"])
    })
  )

  it.effect("tries again as often as it may, and is content with a later success", () =>
    Effect.gen(function* () {
      const { asked, voter } = voterThat((_, times) =>
        times < 3 ? Effect.fail(late) : Effect.succeed([fine])
      )
      expect(yield* ask(voter, paced())).toEqual(fine)
      expect(asked).toEqual(["active", "active", "active"])
    })
  )

  it.effect("then asks for the previous model, and marks its answer", () =>
    Effect.gen(function* () {
      const { asked, voter } = voterThat((model) =>
        model === "previous" ? Effect.succeed([fine]) : Effect.fail(late)
      )
      expect(yield* ask(voter, paced())).toEqual({ ...fine, standIn: "previous" })
      expect(asked).toEqual(["active", "active", "active", "previous"])
    })
  )

  it.effect("then lets the baseline stand in, without an opinion of its own on the direction", () =>
    Effect.gen(function* () {
      const { voter } = voterThat(() => Effect.fail(late))
      expect(yield* ask(voter, paced())).toEqual({
        _tag: "Opinion",
        voter: name,
        instrument: alpha.id,
        probabilities: bearish,
        expectedReturn: 0,
        spread: question.sigma,
        reason: late.message,
        modelVersion: null,
        standIn: "baseline"
      })
    })
  )

  it.effect("abstains where the base rate rests on too few outcomes, or there is none", () =>
    Effect.gen(function* () {
      const { voter } = voterThat(() => Effect.fail(late))
      const few = { ...baseRate, outcomes: 29 }
      for (const known of [rates(few), new Map<string, BaseRate>()]) {
        expect(yield* ask(voter, paced(), known)).toEqual(abstention(name, late.message))
      }
    })
  )

  it.effect(
    "does not try again what cannot succeed, and does not ask the absent for their previous model",
    () =>
      Effect.gen(function* () {
        const refused = voterThat(() => Effect.fail(unreadable))
        expect(yield* ask(refused.voter, paced())).toMatchObject({ standIn: "baseline" })
        expect(refused.asked).toEqual(["active", "previous"])
        const gone = voterThat(() => Effect.fail(unreachable))
        expect(yield* ask(gone.voter, paced())).toMatchObject({ standIn: "baseline" })
        expect(gone.asked).toEqual(["active", "active", "active"])
      })
  )

  it.effect("takes no answer that is another's, out of order, too short or too long", () =>
    Effect.gen(function* () {
      const beta = instrumentOf("BETA")
      const wrong: ReadonlyArray<ReadonlyArray<Answer>> = [
        [],
        [fine, fine],
        [opinion("somebody-else")],
        [{ ...fine, instrument: beta.id }]
      ]
      for (const answers of wrong) {
        const { asked, voter } = voterThat(() => Effect.succeed(answers))
        const answer = yield* ask(voter, paced())
        expect(answer).toMatchObject({ standIn: "baseline", modelVersion: null })
        // It said something: it is not asked the same again, but its previous model may be sound.
        expect(asked).toEqual(["active", "previous"])
      }
    })
  )

  it.effect("gives each try its deadline", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const { voter } = voterThat(() =>
        Effect.gen(function* () {
          const startedAt = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
          seen.push(startedAt)
          return yield* Effect.fail(late)
        })
      )
      yield* ask(voter, paced({ tries: 4 }))
      expect(seen.slice(0, 4)).toEqual([0, 20, 40, 60])
    })
  )
})

describe("asking the voters in lock-step", () => {
  const lockStep = (changes: Partial<AskOptions> = {}) => paced({ patienceMs: 2_000, ...changes })

  it.effect("waits for a voter that is away, whatever the number of tries", () =>
    Effect.gen(function* () {
      const { asked, voter } = voterThat((_, times) =>
        times < 12 ? Effect.fail(unreachable) : Effect.succeed([fine])
      )
      expect(yield* ask(voter, lockStep())).toEqual(fine)
      expect(asked.length).toBe(12)
    })
  )

  it.effect("does not wait beyond its patience, and not a second time until the voter has answered", () =>
    Effect.gen(function* () {
      let isThere = false
      const { asked, voter } = voterThat(() => (isThere ? Effect.succeed([fine]) : Effect.fail(unreachable)))
      const options = lockStep()
      expect(yield* ask(voter, options)).toMatchObject({ standIn: "baseline" })
      const waited = asked.length
      expect(waited).toBeGreaterThanOrEqual(15)
      expect(options.absent).toEqual(new Set([name]))
      expect(yield* ask(voter, options)).toMatchObject({ standIn: "baseline" })
      expect(asked.length - waited).toBe(1)
      isThere = true
      expect(yield* ask(voter, options)).toEqual(fine)
      expect(options.absent.size).toBe(0)
    })
  )

  it.effect("does not wait for one that answers with a failure of its own", () =>
    Effect.gen(function* () {
      const broken = new InternalError({ agent: name, call: "Opine", incident: "model-unavailable" })
      const { asked, voter } = voterThat(() => Effect.fail(broken))
      expect(yield* ask(voter, lockStep(), rates(), 0)).toMatchObject({ standIn: "baseline" })
      expect(asked).toEqual(["active", "previous"])
    })
  )
})

describe("asking several voters about many instruments", () => {
  const many = Array.from({ length: Limits.questionsPerRequestMax * 2 + 7 }, (_, i) => ({
    ...question,
    instrument: instrumentOf(`S${i}`).id
  }))
  const speaking = (voter: string, sizes: Array<number>): Voter => ({
    name: voter,
    client: {
      Opine: ({ questions }: { questions: ReadonlyArray<Question> }) => {
        sizes.push(questions.length)
        return Effect.succeed(
          questions.map(({ instrument }) => ({
            ...opinion(voter),
            instrument,
            reason: `${voter} on ${instrument}`
          }))
        )
      }
    } as unknown as Voter["client"]
  })

  it.effect(
    "splits what is too much for one request, and puts the answers back in the order of the voters",
    () =>
      Effect.gen(function* () {
        const sizes: Array<number> = []
        const answers = yield* askVoters([speaking("a", sizes), speaking("b", [])], many, rates(), paced())
        expect(sizes).toEqual([Limits.questionsPerRequestMax, Limits.questionsPerRequestMax, 7])
        expect(answers.size).toBe(many.length)
        for (const { instrument } of many) {
          expect(answers.get(instrument)?.map(({ reason }) => reason)).toEqual([
            `a on ${instrument}`,
            `b on ${instrument}`
          ])
        }
      })
  )

  it.effect("asks all voters at once: one that hangs does not keep the others from being asked", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      const hanging: Voter = {
        name: "a",
        client: { Opine: () => Effect.never } as unknown as Voter["client"]
      }
      const fiber = yield* Effect.fork(
        askVoters([hanging, speaking("b", sizes)], [question], rates(), paced())
      )
      yield* TestClock.adjust(1)
      expect(sizes).toEqual([1])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("asks nobody anything when there is no question", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      expect((yield* askVoters([speaking("a", sizes)], [], rates(), paced())).size).toBe(0)
      expect(sizes).toEqual([])
    })
  )
})
