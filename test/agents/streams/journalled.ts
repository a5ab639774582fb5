/** A run in the journal: bars of the simulator, and the rounds of a committee that sat over them. */
import { Effect } from "effect"
import { enveloped } from "../../../src/agents/NodeContext.ts"
import { BarsClosed, barsStream, FeedOpened } from "../../../src/protocols/Bar.ts"
import { decisionsStream, RoundClosed } from "../../../src/protocols/Decision.ts"
import { opened, run, simulated } from "../feedEvents.ts"
import { append } from "../nodeServices.ts"
import { emptySitting, sit } from "../orchestrator/rounds.ts"

export const asOfs = 240
export const warmUp = 100
const { events, instruments } = simulated({ seed: 23, count: asOfs, instruments: 4 })

export { events, instruments }

/** The rounds of each as-of. */
const { rounds } = events.reduce(sit, emptySitting)

export const openFeed = (paceMs: number | null, isLive = false) => {
  const event = opened(instruments, { paceMs, warmUp })
  return append(barsStream, FeedOpened, { ...event, payload: { ...event.payload, isLive } })
}

/** The bars of an as-of, and what the committee made of them. */
export const closeAsOf = (index: number) =>
  Effect.gen(function* () {
    const event = events[index] as (typeof events)[number]
    const payload = { ...event.payload, warmUp: index < warmUp }
    const barsSequence = yield* append(barsStream, BarsClosed, { ...event, payload })
    for (const round of rounds.filter(({ asOf }) => asOf === event.payload.asOf)) {
      const about = {
        run,
        source: "orchestrator",
        asOf: round.asOf,
        subject: `round-${index}-${round.part}`
      } as const
      yield* append(decisionsStream, RoundClosed, enveloped(about, { ...round, barsSequence }))
    }
  })

export const closeAsOfs = (from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from }, (_, i) => from + i),
    closeAsOf,
    { discard: true }
  )
