/**
 * The agent around a learner. It follows the bars, has a new model made when one is due and deploys it, and
 * answers questions with the model that serves. An answer about an as-of uses bars up to that as-of: it waits for
 * bars that are still coming, and asks the context for those it has let go.
 *
 * In lock-step (and while warming up) the next bars wait until a due model serves; otherwise it is made beside
 * the answering.
 */
import { Effect, FiberSet, Request, Schedule, Stream } from "effect"
import { barsEvents, barsStream } from "../../protocols/Bar.ts"
import { type Deployment, modelEvents, modelsStream } from "../../protocols/Model.ts"
import { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { ModelManagerControlRpcs, ModelManagerRpcs } from "../../protocols/rpc/ModelManagerRpcs.ts"
import { VoterRpcs } from "../../protocols/rpc/VoterRpcs.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { InternalError, isTransient } from "../../protocols/wire/errors.ts"
import { sequenceZero } from "../../protocols/wire/Ids.ts"
import * as Agent from "../../runtime/Agent.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import { Journal } from "../../runtime/Journal.ts"
import * as Progress from "../../runtime/Progress.ts"
import * as Projection from "../../runtime/Projection.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { inTrace } from "../../runtime/tracing.ts"
import { ModelHost } from "../model-host/ModelHost.ts"
import { callAgent, NodeContext, serveAgent, traceOf } from "../NodeContext.ts"
import * as Artefacts from "./Artefacts.ts"
import { makeAnswering } from "./answering.ts"
import type { Learner } from "./Learner.ts"

/** Models that may wait to be made. */
const mailboxCapacityMax = 2
const lookAgain = Schedule.spaced("100 millis")

class Refit extends Request.TaggedClass("Refit")<void, never, { readonly asOf: number }> {}

export const run =
  <State, Encoded>(learner: Learner<State, Encoded>) =>
  (component: Component) =>
    Effect.gen(function* () {
      const { run, settings } = yield* NodeContext
      const journal = yield* Journal
      const host = yield* ModelHost
      const manager = yield* callAgent(ModelManagerRpcs, "model-manager")
      const control = yield* callAgent(ModelManagerControlRpcs, "model-manager", "control")
      const context = yield* callAgent(ContextRpcs, "context")
      const artefacts = Artefacts.make(manager, control)
      const agent = yield* Agent.make<Refit>({ name: learner.name, mailboxCapacityMax })
      yield* component.watchMailbox(agent.mailbox)
      yield* component.onStop(agent.drain)
      const beside = yield* FiberSet.make()

      const history = yield* Projection.open({
        name: learner.name,
        version: learner.version,
        stream: barsStream,
        events: barsEvents,
        initial: learner.initial(),
        evolve: learner.evolve,
        snapshot: learner.snapshot,
        snapshotEvery: settings.store.snapshotEvery
      })
      /** The as-of up to which bars have been applied and a due model made. */
      const known = Progress.make(0)
      let paceMs: number | null = null
      let isWarmUp = true

      // What serves is what the journal says; one's own deployments are known before they come back from there.
      let active: Deployment | null = null
      const aliasOf = () => {
        const timeFrame = learner.timeFrame(history.state())
        return timeFrame === null ? undefined : `${learner.name}/${learner.kind}/${timeFrame}`
      }
      const adopt = (deployment: Deployment) => {
        const isOurs =
          deployment.alias === aliasOf() || deployment.alias.startsWith(`${learner.name}/${learner.kind}/`)
        if (isOurs && (active === null || deployment.since >= active.since)) active = deployment
      }
      const decodeModels = EventType.decoder(modelEvents)
      const takeModelEvent = (record: Parameters<typeof decodeRecord>[2]) =>
        Effect.map(decodeRecord(`${learner.name}.models`, decodeModels, record), (event) => {
          if (event?.type === "DeploymentActivated") adopt(event.payload)
        })
      const modelsThrough = yield* journal.last(modelsStream)
      yield* Stream.runForEach(journal.replay(modelsStream, sequenceZero, modelsThrough), takeModelEvent)
      const followModels = Stream.runForEach(journal.tail(modelsStream, modelsThrough), takeModelEvent)

      const refit = Effect.gen(function* () {
        const alias = aliasOf()
        if (alias === undefined) return
        const fitted = yield* stepwise(learner.fit(history.state()))
        if (fitted === undefined) return
        // Made before, in a life that is over.
        if (active !== null && fitted.manifest.fittedAsOf <= active.since) return
        const deployed = artefacts.deploy(alias, fitted, active)
        const isPatient = paceMs === null || isWarmUp
        yield* Effect.map(
          isPatient ? Effect.retry(deployed, { schedule: lookAgain, while: isTransient }) : deployed,
          adopt
        )
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning(`No new model of ${learner.name}: ${error.message}`)),
        inTrace(settings.telemetry.tracing, `${learner.name}.refit`, traceOf(run, known.current()))
      )

      const follow = history.run((event, state) =>
        Effect.gen(function* () {
          if (event.type === "FeedOpened") paceMs = event.payload.paceMs
          if (event.type !== "BarsClosed") return
          const { asOf, warmUp } = event.payload
          isWarmUp = warmUp
          if (learner.isDue(state, active !== null) && (active === null || asOf > active.since)) {
            if (paceMs === null || warmUp) yield* agent.submit(new Refit({ asOf }))
            else yield* FiberSet.run(beside, Effect.ignoreLogged(agent.ask(new Refit({ asOf }))))
          }
          known.advance(asOf)
        })
      )

      const answering = makeAnswering({
        learner,
        state: history.state,
        known,
        host,
        fetch: artefacts.fetch,
        active: () => active,
        barsOf: (question, count) =>
          context.Bars({
            instrument: question.instrument,
            timeFrame: question.timeFrame,
            asOf: question.asOf,
            count
          })
      })
      const handlers = VoterRpcs.toLayer({
        Opine: ({ model, questions }) =>
          Effect.catchAll(answering(questions, model), (error) =>
            Effect.zipRight(
              Effect.logWarning(`${learner.name} cannot answer: ${error.message}`),
              new InternalError({ agent: learner.name, call: "Opine", incident: "model-unavailable" })
            )
          )
      })
      yield* Effect.provide(serveAgent(VoterRpcs, learner.name), handlers)
      yield* component.running()
      yield* Effect.all([agent.live({ Refit: () => refit }), follow, followModels], {
        concurrency: "unbounded",
        discard: true
      })
    })
