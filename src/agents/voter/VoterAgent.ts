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
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { isTransient } from "../../protocols/wire/errors.ts"
import { sequenceZero } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import * as Agent from "../../runtime/Agent.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import { Journal } from "../../runtime/Journal.ts"
import * as Progress from "../../runtime/Progress.ts"
import * as Projection from "../../runtime/Projection.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { inTrace } from "../../runtime/tracing.ts"
import { ModelHost } from "../model-host/ModelHost.ts"
import * as RowRuns from "../model-host/RowRuns.ts"
import { callAgent, NodeContext, traceOf } from "../NodeContext.ts"
import { Programs } from "../Programs.ts"
import { type Add, type AnswerError, votingOnly } from "./Addition.ts"
import * as Artefacts from "./Artefacts.ts"
import { makeAnswering } from "./answering.ts"
import { followedOf } from "./Followed.ts"
import type { Learner } from "./Learner.ts"
import { shippedModels } from "./shipped.ts"

/** Models that may wait to be made. */
const mailboxCapacityMax = 2
const lookAgain = Schedule.spaced("100 millis")

class Refit extends Request.TaggedClass("Refit")<void, never, { readonly asOf: number }> {}

/** The agent of a learner that does nothing beside voting. */
export const run = <State, Encoded>(learner: Learner<State, Encoded>) =>
  runWith(learner, votingOnly(learner.name))

export const runWith =
  <State, Encoded, E, R, MakeE, MakeR>(
    learner: Learner<State, Encoded>,
    add: Add<State, E, R, MakeE, MakeR>
  ) =>
  (component: Component) =>
    Effect.gen(function* () {
      const { run, settings } = yield* NodeContext
      const journal = yield* Journal
      const host = yield* ModelHost
      const programs = yield* Programs
      const manager = yield* callAgent(ModelManagerRpcs, "model-manager")
      const control = yield* callAgent(ModelManagerControlRpcs, "model-manager", "control")
      const context = yield* callAgent(ContextRpcs, "context")
      const artefacts = Artefacts.make(manager, control)
      const agent = yield* Agent.make<Refit>({ name: learner.name, mailboxCapacityMax })
      yield* component.watchMailbox(agent.mailbox)
      yield* component.onStop(agent.drain)
      const beside = yield* FiberSet.make()

      const followed = followedOf(learner)
      const history = yield* Projection.open({
        ...followed,
        name: learner.name,
        stream: barsStream,
        events: barsEvents,
        initial: followed.initial(),
        snapshotEvery: settings.store.snapshotEvery
      })
      /** The as-of up to which bars have been applied and a due model made. */
      const known = Progress.make(0)
      const state = () => history.state().learner
      const paceMs = () => history.state().paceMs
      let isWarmUp = true

      const runs = yield* RowRuns.makeRowRuns<AnswerError>(learner.name, host)
      // What serves is what the journal says; one's own deployments are known before they come back from there.
      let active: Deployment | null = null
      const aliasOf = () => {
        const timeFrame = learner.timeFrame(state())
        return timeFrame === null ? undefined : `${learner.name}/${learner.kind}/${timeFrame}`
      }
      const adopt = (deployment: Deployment) => {
        const isOurs =
          deployment.alias === aliasOf() || deployment.alias.startsWith(`${learner.name}/${learner.kind}/`)
        if (isOurs && (active === null || deployment.since >= active.since)) active = deployment
      }
      const answering = makeAnswering<State, Encoded, AnswerError>({
        learner,
        state,
        known,
        // What is recorded in lock-step has to come out the same again.
        run: (asked, rows) =>
          paceMs() === null ? RowRuns.runRows(host, asked, rows) : runs.ask(asked, rows),
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
      const addition = yield* add({
        state,
        known,
        paceMs,
        isWarmUp: () => isWarmUp,
        active: () => active,
        host,
        runs,
        artefacts,
        context,
        answering
      })

      const decodeModels = EventType.decoder(modelEvents)
      const takeModelEvent = (record: Parameters<typeof decodeRecord>[2]) =>
        Effect.flatMap(decodeRecord(`${learner.name}.models`, decodeModels, record), (event) => {
          if (event === undefined) return Effect.void
          if (event.type === "DeploymentActivated") adopt(event.payload)
          return addition.onModels(event)
        })
      const modelsThrough = yield* journal.last(modelsStream)
      yield* Stream.runForEach(journal.replay(modelsStream, sequenceZero, modelsThrough), takeModelEvent)
      const followModels = Stream.runForEach(journal.tail(modelsStream, modelsThrough), takeModelEvent)

      /** In lock-step and while warming up, as often as it takes. */
      const patiently = <A>(
        deployed: Effect.Effect<A, Effect.Effect.Error<ReturnType<typeof artefacts.deploy>>>
      ) =>
        paceMs() === null || isWarmUp
          ? Effect.retry(deployed, { schedule: lookAgain, while: isTransient })
          : deployed

      /** The model that came with the program serves until there is one of what was seen. */
      const deployShipped = (timeFrame: TimeFrame) =>
        Effect.gen(function* () {
          if (active !== null) return
          const { kind, name: voter, features, horizonBars } = learner
          const place = { root: programs.root, folder: settings.models.shippedPath }
          const found = yield* shippedModels(place, { voter, timeFrame, horizonBars })
          const fitted = found.find(
            ({ manifest }) =>
              manifest.kind === kind && canonicalJson(manifest.features) === canonicalJson(features)
          )
          if (fitted === undefined) return
          const alias = `${voter}/${kind}/${timeFrame}`
          yield* Effect.map(patiently(artefacts.deploy(alias, fitted, null, 0)), adopt)
        }).pipe(
          Effect.catchAll((error) =>
            Effect.logWarning(`No shipped model of ${learner.name}: ${error.message}`)
          )
        )

      const refit = Effect.gen(function* () {
        const alias = aliasOf()
        if (alias === undefined) return
        const fitted = yield* stepwise(learner.fit(state()))
        if (fitted === undefined) return
        // Made before, in a life that is over.
        if (active !== null && fitted.manifest.fittedAsOf <= active.since) return
        yield* Effect.map(patiently(artefacts.deploy(alias, fitted, active)), adopt)
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning(`No new model of ${learner.name}: ${error.message}`)),
        inTrace(settings.telemetry.tracing, `${learner.name}.refit`, traceOf(run, known.current()))
      )

      const follow = history.run((event, { learner: made, paceMs }) =>
        Effect.gen(function* () {
          if (event.type === "FeedOpened") yield* deployShipped(event.payload.timeFrame)
          if (event.type !== "BarsClosed") return yield* addition.onBars(event, made)
          const { asOf, warmUp } = event.payload
          isWarmUp = warmUp
          if (learner.isDue(made, active !== null) && (active === null || asOf > active.since)) {
            if (paceMs === null || warmUp) yield* agent.submit(new Refit({ asOf }))
            else yield* FiberSet.run(beside, Effect.ignoreLogged(agent.ask(new Refit({ asOf }))))
          }
          yield* addition.onBars(event, made)
          known.advance(asOf)
        })
      )

      yield* addition.serve(addition.answering)

      yield* component.running()
      yield* Effect.all([agent.live({ Refit: () => refit }), follow, followModels], {
        concurrency: "unbounded",
        discard: true
      })
    })
