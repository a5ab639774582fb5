/**
 * The context agent keeps what flows: bars, decisions and fills as they are accepted by the journal, and whatever
 * others give it. It answers by type and instrument, as of an instant.
 */
import { Effect, Request, Schedule } from "effect"
import { visibleAt } from "../../market/time/BarBook.ts"
import { accountStream, BarsApplied } from "../../protocols/Account.ts"
import { type Bar, barsEvents, barsStream } from "../../protocols/Bar.ts"
import type { ContextItem } from "../../protocols/ContextItem.ts"
import { decisionsEvents, decisionsStream } from "../../protocols/Decision.ts"
import type { StorageFailed } from "../../protocols/errors.ts"
import { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import * as Agent from "../../runtime/Agent.ts"
import * as Consumer from "../../runtime/Consumer.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { NodeContext, serveAgent } from "../NodeContext.ts"
import { contextStore } from "./ContextStore.ts"

const name = "context"
const mailboxCapacityMax = 256
const triesMax = 5
const trimEvery = "5 minutes"

class Keep extends Request.TaggedClass("Keep")<
  { readonly id: string; readonly isNew: boolean },
  StorageFailed,
  { readonly item: Omit<ContextItem, "id"> }
> {}

const barItem =
  (type: "bar" | "bar-correction", version: number) =>
  (bar: Bar): Omit<ContextItem, "id"> => ({
    type,
    version,
    source: bar.source,
    occurredAt: bar.closeTime,
    knownAt: visibleAt(bar),
    instrument: bar.instrument,
    payload: bar
  })

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { settings } = yield* NodeContext
    const items = yield* contextStore
    const agent = yield* Agent.make<Keep>({ name, mailboxCapacityMax })
    yield* component.watchMailbox(agent.mailbox)
    yield* component.onStop(agent.drain)

    const bars = yield* Consumer.open({
      name: "context.bars",
      stream: barsStream,
      events: barsEvents,
      triesMax,
      apply: (event) => {
        switch (event.type) {
          case "BarsClosed":
            return items.insert(event.payload.bars.map(barItem("bar", event.version)))
          // What was decided on stays as it was; the corrections stand beside it.
          case "BarsCorrected":
            return items.insert(event.payload.bars.map(barItem("bar-correction", event.version)))
          default:
            return []
        }
      }
    })
    const decisions = yield* Consumer.open({
      name: "context.decisions",
      stream: decisionsStream,
      events: decisionsEvents,
      triesMax,
      apply: ({ payload, source, version }) =>
        items.insert(
          payload.decisions.map((decision) => ({
            type: "decision",
            version,
            source,
            occurredAt: decision.key.asOf,
            knownAt: decision.key.asOf,
            instrument: decision.key.instrument,
            payload: decision
          }))
        )
    })
    const fills = yield* Consumer.open({
      name: "context.fills",
      stream: accountStream,
      events: [BarsApplied],
      triesMax,
      apply: ({ payload, source, version }) =>
        payload.fills.length === 0
          ? []
          : items.insert(
              payload.fills.map((fill) => ({
                type: "fill",
                version,
                source,
                occurredAt: fill.at,
                knownAt: payload.asOf,
                instrument: fill.instrument,
                payload: fill
              }))
            )
    })

    const handlers = ContextRpcs.toLayer({
      Latest: items.latest,
      Range: items.range,
      Bars: items.bars,
      ContextState: () => items.state,
      Keep: ({ item }) => agent.ask(new Keep({ item }))
    })
    yield* Effect.provide(serveAgent(ContextRpcs, name), handlers)
    const trim = items.trim(settings.store.contextItemsMax).pipe(
      Effect.catchAll((error) => Effect.logWarning(error.message)),
      Effect.schedule(Schedule.spaced(trimEvery))
    )
    yield* component.running()
    yield* Effect.all(
      [agent.live({ Keep: ({ item }) => items.keep(item) }), bars.run, decisions.run, fills.run, trim],
      { concurrency: "unbounded", discard: true }
    )
  })
