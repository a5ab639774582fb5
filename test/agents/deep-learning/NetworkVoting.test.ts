import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import {
  type Deployed,
  evolveDeployed,
  networkAlias,
  noneDeployed,
  servingAlias
} from "../../../src/agents/deep-learning/Deployed.ts"
import type { NetworkAnswering } from "../../../src/agents/deep-learning/NetworkAnswers.ts"
import { makeNetworkVoting } from "../../../src/agents/deep-learning/NetworkVoting.ts"
import type { AnswerError, Answering } from "../../../src/agents/voter/Addition.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import type { ModelEvent } from "../../../src/protocols/Model.ts"
import type { Answer, Question } from "../../../src/protocols/Opinion.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import { ChildFailed } from "../../../src/runtime/errors.ts"
import * as Progress from "../../../src/runtime/Progress.ts"
import { asOfAt, instrumentOf, timeFrame } from "../feedEvents.ts"
import { activated, manifestOf, published, retired } from "../model-manager/manifests.ts"
import { abstention, digest, opinion } from "../orchestrator/inputs.ts"

const alpha = instrumentOf("ALPHA").id
const bravo = instrumentOf("BRAVO").id
const linearVersion = digest("f")
const since = asOfAt(100)

const one = manifestOf("one", { kind: "network-lstm" })
const two = manifestOf("two", { kind: "network-lstm", parent: one.digest })
const lstmAlias = networkAlias("lstm", timeFrame)
const at = (alias: string, version: string, previous: string | null = null): ModelEvent =>
  activated(version, { alias, previous, since })
const having = (...events: ReadonlyArray<ModelEvent>): Deployed =>
  events.reduce(evolveDeployed, noneDeployed())

const deployedOnly = [published(one), published(two), at(lstmAlias, two.digest, one.digest)]
const serving = [...deployedOnly, at(servingAlias(timeFrame), two.digest, linearVersion)]

const questionOf = (changes: Partial<Question> = {}): Question => ({
  instrument: alpha,
  timeFrame,
  asOf: asOfAt(200),
  horizonBars: 4,
  band: 0.005,
  roundTripCost: 0.0014,
  sigma: 0.02,
  ...changes
})
const questions = [questionOf(), questionOf({ instrument: bravo })]

const died = new ChildFailed({ child: "model-host", reason: "it died" })

interface Given {
  readonly deployed?: Deployed
  /** Versions that cannot be run; "linear" for the linear forecaster. */
  readonly linearSince?: number
  readonly broken?: ReadonlyArray<string>
  /** Instruments that a version cannot be asked about. */
  readonly unasked?: Readonly<Record<string, ReadonlyArray<InstrumentId>>>
  readonly known?: Progress.Progress
  readonly reason?: string
}

/** Voting of which each model says who it is, and what was asked of whom. */
const votingOf = ({
  broken = [],
  deployed = noneDeployed(),
  known,
  linearSince = 0,
  reason = "it says so",
  unasked = {}
}: Given = {}) => {
  const asked: Array<string> = []
  const said = ({ instrument }: Question, modelVersion: string): Answer =>
    opinion("deep-learning", { instrument, modelVersion, reason })
  const networks: NetworkAnswering<AnswerError> = {
    describe: () => Effect.die("nobody asks"),
    whyNot: (version) =>
      broken.includes(version)
        ? Effect.fail(died)
        : Effect.succeed(({ instrument }) =>
            unasked[version]?.includes(instrument) === true ? "it does not look at that" : undefined
          ),
    answer: (version, of) =>
      Effect.suspend(() => {
        asked.push(version)
        return broken.includes(version)
          ? Effect.fail(died)
          : Effect.succeed(
              of.map((question) => ({
                answer: said(question, version),
                classes: {
                  kind: "candles",
                  top: version.slice(0, 4),
                  confidence: 1,
                  each: [],
                  recursion: null
                }
              }))
            )
      })
  }
  const linear: Answering = (of, model) =>
    Effect.suspend(() => {
      asked.push(`linear ${model}`)
      return broken.includes("linear")
        ? Effect.fail(died)
        : Effect.succeed(of.map((question) => said(question, linearVersion)))
    })
  const voting = makeNetworkVoting({
    deployed: () => deployed,
    networks,
    linear,
    linearActive: () => ({
      alias: "deep-learning/linear/1h",
      version: linearVersion,
      previous: null,
      share: 1,
      since: linearSince,
      reason: "it is the bar"
    }),
    isOwn: (frame) => toMs(frame) === toMs(timeFrame),
    known: known ?? Progress.make(asOfAt(200))
  })
  return { asked, voting }
}

const quietly = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runSync(Effect.provide(effect, Logger.remove(Logger.defaultLogger)))
const versionsOf = (answers: ReadonlyArray<Answer>) =>
  answers.map((answer) =>
    answer._tag === "Opinion" ? [answer.modelVersion, answer.standIn] : [answer.reason]
  )
const vote = (given: Given, model: Parameters<Answering>[1] = "active", of = questions) => {
  const { asked, voting } = votingOf(given)
  return { answers: quietly(voting.voting(of, model)), asked }
}
const named = (given: Given, model: "serving" | "linear" | "lstm" | "cnn", of = questions) => {
  const { asked, voting } = votingOf(given)
  return { answers: quietly(voting.byName(model, of)), asked }
}
const answersOf = (found: ReturnType<typeof named>) => found.answers.map(({ answer }) => answer)

describe("a vote", () => {
  it("is the linear forecaster's where no network votes, though there are some", () => {
    for (const deployed of [having(), having(...deployedOnly)]) {
      const { answers, asked } = vote({ deployed })
      expect(versionsOf(answers)).toEqual([
        [linearVersion, "none"],
        [linearVersion, "none"]
      ])
      expect(asked).toEqual(["linear active"])
    }
  })

  it("is that of the network that serves, one answer to each question in their order", () => {
    const { answers, asked } = vote({ deployed: having(...serving) })
    expect(asked).toEqual([two.digest])
    expect(answers).toEqual(
      questions.map(({ instrument }) =>
        opinion("deep-learning", { instrument, modelVersion: two.digest, reason: "it says so" })
      )
    )
  })

  it("is the linear forecaster's on what the network that serves cannot be asked", () => {
    const part = vote({ deployed: having(...serving), unasked: { [two.digest]: [alpha] } })
    expect(part.asked).toEqual([two.digest, "linear active"])
    expect(part.answers.map(({ instrument }) => instrument)).toEqual([alpha, bravo])
    expect(versionsOf(part.answers)).toEqual([
      [linearVersion, "none"],
      [two.digest, "none"]
    ])
    const none = vote({ deployed: having(...serving), unasked: { [two.digest]: [alpha, bravo] } })
    expect(none.asked).toEqual(["linear active"])
  })

  it("is the linear forecaster's on what the version that stands in cannot be asked", () => {
    const { answers } = vote({
      ...{ deployed: having(...serving), broken: [two.digest], unasked: { [one.digest]: [bravo] } }
    })
    expect(versionsOf(answers)).toEqual([
      [one.digest, "previous"],
      [linearVersion, "baseline"]
    ])
  })

  it("is that of the version before it where it cannot be run, and says so", () => {
    const { answers, asked } = vote({ deployed: having(...serving), broken: [two.digest] })
    expect(asked).toEqual([two.digest, one.digest])
    expect(versionsOf(answers)).toEqual([
      [one.digest, "previous"],
      [one.digest, "previous"]
    ])
    expect(answers[0]?.reason).toBe(`it says so; in the place of ${two.digest.slice(0, 12)}: ${died.message}`)
  })

  it("is the linear forecaster's where neither can be run, or there is none before", () => {
    const broken = [two.digest, one.digest]
    const neither = vote({ deployed: having(...serving), broken })
    expect(neither.asked).toEqual([two.digest, one.digest, "linear active"])
    expect(versionsOf(neither.answers)[1]).toEqual([linearVersion, "baseline"])
    const gone = vote({ deployed: having(...serving, retired(one.digest)), broken })
    expect(gone.asked).toEqual([two.digest, "linear active"])
    expect(versionsOf(gone.answers)[0]).toEqual([linearVersion, "baseline"])
  })

  it("fails where nobody can be asked, so that whoever asks can fall back", () => {
    const { voting } = votingOf({
      deployed: having(...serving),
      broken: [two.digest, one.digest, "linear"]
    })
    expect(quietly(Effect.flip(voting.voting(questions, "active")))).toBe(died)
  })

  it("keeps a reason that is as long as may be within that, and abstentions as they are", () => {
    const reason = "x".repeat(Limits.reasonCharsMax)
    const { answers } = vote({ deployed: having(...serving), broken: [two.digest], reason })
    expect(answers[0]?.reason.length).toBe(Limits.reasonCharsMax)
    const deployed = having(...serving)
    const voting = makeNetworkVoting({
      deployed: () => deployed,
      networks: {
        describe: () => Effect.die("nobody asks"),
        whyNot: () => Effect.fail(died),
        answer: () => Effect.fail(died)
      },
      linear: (of) => Effect.succeed(of.map(() => abstention("deep-learning"))),
      linearActive: () => null,
      isOwn: () => true,
      known: Progress.make(asOfAt(200))
    })
    expect(quietly(voting.voting([questionOf()], "active"))).toEqual([abstention("deep-learning")])
  })

  it("of the previous model is that of the version before the network that serves", () => {
    expect(vote({ deployed: having(...serving) }, "previous").asked).toEqual([one.digest])
    // What served before the first network is the linear forecaster.
    const first = having(...serving, retired(one.digest))
    expect(vote({ deployed: first }, "previous").asked).toEqual(["linear active"])
    expect(vote({ deployed: having(...deployedOnly) }, "previous").asked).toEqual(["linear previous"])
  })

  it("of the previous model is the linear forecaster's on what either of the two cannot be asked", () => {
    const of = (unasked: NonNullable<Given["unasked"]>) =>
      vote({ deployed: having(...serving), unasked }, "previous").asked
    expect(of({ [two.digest]: [alpha] })).toEqual([one.digest, "linear previous"])
    expect(of({ [one.digest]: [alpha] })).toEqual([one.digest, "linear active"])
  })

  it("of a version is that version's, network or not", () => {
    for (const version of [one.digest, two.digest]) {
      expect(vote({ deployed: having(...deployedOnly) }, version).asked).toEqual([version])
    }
    expect(vote({ deployed: having(...serving) }, linearVersion).asked).toEqual([`linear ${linearVersion}`])
  })

  it("of a version that cannot be run has no stand-in: that one was wanted", () => {
    const { voting } = votingOf({ deployed: having(...serving), broken: [one.digest] })
    expect(quietly(Effect.flip(voting.voting(questions, one.digest)))).toBe(died)
    const before = votingOf({ deployed: having(...serving), broken: [one.digest] })
    expect(quietly(Effect.flip(before.voting.voting(questions, "previous")))).toBe(died)
  })

  it("on nothing is nothing", () => {
    expect(vote({ deployed: having(...serving) }, "active", []).answers).toEqual([])
  })

  it.effect("is cast by what serves when its as-of is known", () =>
    Effect.gen(function* () {
      const known = Progress.make(asOfAt(199))
      const deployed = having(...deployedOnly)
      const { asked, voting } = votingOf({ deployed, known })
      const fiber = yield* Effect.fork(voting.voting(questions, "active"))
      yield* Effect.yieldNow()
      expect([fiber.unsafePoll(), asked]).toEqual([null, []])
      // It came while the bars of the as-of were still coming.
      for (const event of serving) evolveDeployed(deployed, event)
      known.advance(asOfAt(200))
      expect(versionsOf(yield* Fiber.join(fiber))[0]).toEqual([two.digest, "none"])
    })
  )
})

describe("a model that is asked by its name", () => {
  it("is what votes, the linear forecaster, or a network that need not vote", () => {
    const deployed = having(...deployedOnly)
    expect(versionsOf(answersOf(named({ deployed }, "serving")))[0]).toEqual([linearVersion, "none"])
    expect(versionsOf(answersOf(named({ deployed }, "linear")))[0]).toEqual([linearVersion, "none"])
    const lstm = named({ deployed }, "lstm")
    expect(versionsOf(answersOf(lstm))[0]).toEqual([two.digest, "none"])
    expect(lstm.answers[0]?.classes?.top).toBe(two.digest.slice(0, 4))
    expect(named({ deployed: having(...serving) }, "serving").asked).toEqual([two.digest])
    expect(named({ deployed: having(...serving) }, "linear").asked).toEqual(["linear active"])
  })

  it("abstains where there is no such network, of these bars", () => {
    const found = named({ deployed: having(...serving) }, "cnn")
    expect(found.asked).toEqual([])
    expect(found.answers).toEqual(
      [alpha, bravo].map((instrument) => ({
        answer: {
          ...abstention("deep-learning", "there is no cnn for bars of 1h: train one, or ask for another"),
          instrument
        },
        classes: null
      }))
    )
    const longer = [questionOf({ timeFrame: TimeFrame.make("4h") })]
    expect(answersOf(named({ deployed: having(...serving) }, "lstm", longer))[0]?.reason).toContain(
      "there is no lstm for bars of 4h"
    )
  })

  it("abstains from what was before it had learned, and answers the rest", () => {
    const of = [
      questionOf({ asOf: since - 1 }),
      questionOf({ asOf: since, instrument: bravo }),
      questionOf({ asOf: asOfAt(50), instrument: bravo })
    ]
    const { answers, asked } = named({ deployed: having(...deployedOnly) }, "lstm", of)
    const late = `the lstm model has learned from bars up to ${new Date(since).toISOString()}, after the as-of`
    expect(versionsOf(answers.map(({ answer }) => answer))).toEqual([[late], [two.digest, "none"], [late]])
    expect(answers.map(({ answer }) => answer.instrument)).toEqual([alpha, bravo, bravo])
    expect(asked).toEqual([two.digest])
    expect(named({ deployed: having(...deployedOnly) }, "lstm", of.slice(0, 1)).asked).toEqual([])
    // So does whatever votes, by whichever name it is asked.
    for (const model of ["linear", "serving"] as const) {
      const found = named({ linearSince: since }, model, of)
      expect(versionsOf(answersOf(found))[1]).toEqual([linearVersion, "none"])
      expect(answersOf(found).filter(({ _tag }) => _tag === "Abstention")).toHaveLength(2)
    }
    const votes = named({ deployed: having(...serving), linearSince: 0 }, "serving", of)
    expect(answersOf(votes).filter(({ _tag }) => _tag === "Abstention")).toHaveLength(2)
  })

  it("abstains where it does not look, and what votes leaves that to what the linear forecaster had not learned", () => {
    const unasked = { [two.digest]: [bravo] }
    const deployed = having(...serving)
    expect(named({ deployed, unasked }, "lstm").asked).toEqual([two.digest])
    const shared = named({ deployed, unasked }, "serving")
    expect(versionsOf(answersOf(shared))).toEqual([
      [two.digest, "none"],
      [linearVersion, "none"]
    ])
    expect(shared.answers[1]?.classes).toBeNull()
    const late = named({ deployed, unasked, linearSince: asOfAt(201) }, "serving")
    expect(answersOf(late).map(({ _tag }) => _tag)).toEqual(["Opinion", "Abstention"])
    expect(late.asked).toEqual([two.digest])
  })

  it("has the version before it stand in, then the linear forecaster, without what is not theirs", () => {
    const deployed = having(...deployedOnly)
    const previous = named({ deployed, broken: [two.digest] }, "lstm")
    expect(versionsOf(answersOf(previous))[0]).toEqual([one.digest, "previous"])
    expect(previous.answers[0]?.classes?.top).toBe(one.digest.slice(0, 4))
    const baseline = named({ deployed, broken: [two.digest, one.digest] }, "lstm")
    expect(versionsOf(answersOf(baseline))[0]).toEqual([linearVersion, "baseline"])
    expect(baseline.answers[0]?.classes).toBeNull()
  })

  it("is never the linear forecaster for bars of another time frame: that is of the feed's own", () => {
    const longer = TimeFrame.make("4h")
    const of = [questionOf({ timeFrame: longer }), questionOf({ timeFrame: longer, instrument: bravo })]
    const reason = "the linear forecaster is not of bars of 4h: ask for a network"
    for (const model of ["linear", "serving"] as const) {
      const found = named({ deployed: having(...serving) }, model, of)
      expect(versionsOf(answersOf(found))).toEqual([[reason], [reason]])
      expect(found.asked).toEqual([])
    }
    // Nor does it stand in there.
    const ofLonger = { ...one, timeFrame: longer }
    const alone = having(published(ofLonger), at(networkAlias("lstm", longer), one.digest))
    const broken = named({ deployed: alone, broken: [one.digest] }, "lstm", of)
    expect(versionsOf(answersOf(broken))[0]).toEqual([reason])
    expect(broken.asked).toEqual([one.digest])
    // The same length, written otherwise.
    expect(named({}, "linear", [questionOf({ timeFrame: TimeFrame.make("60m") })]).asked).toEqual([
      "linear active"
    ])
  })
})
