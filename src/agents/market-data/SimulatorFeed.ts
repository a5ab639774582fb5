/** The simulator as a feed: bars of a world that is known, with an end or without. */
import { Effect, Either } from "effect"
import { warmUpAsOfs } from "../../market/AsOfSchedule.ts"
import { simulate } from "../../market/Simulator.ts"
import { worlds } from "../../market/worlds.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import type { Settings } from "../Settings.ts"
import { NoSource } from "./errors.ts"
import { type Feed, neverAnew, noSources, paceOf } from "./Feed.ts"

/** The first bar of simulated worlds: a Monday, so that calendars have nothing to object. */
const simulationStart = Date.UTC(2024, 0, 1)

export const openSimulatorFeed = Effect.fnUntraced(function* (
  settings: Settings["marketData"],
  seed: number
) {
  const { asOfs, instruments, timeFrame } = settings
  const world = Object.hasOwn(worlds, settings.world)
    ? worlds[settings.world as keyof typeof worlds]
    : undefined
  if (world === undefined) {
    const reason = `no world is called "${settings.world}"; there are ${Object.keys(worlds).join(", ")}`
    return yield* new NoSource({ reason })
  }
  const options = { world, seed, instruments, timeFrame, startTime: simulationStart }
  const simulation = yield* simulate(options)
  const total = asOfs === 0 ? null : asOfs
  const { history, warmUpBarsMin, warmUpShare } = settings
  return {
    source: `simulator: ${world.name}, seed ${seed}`,
    kind: "simulator",
    fingerprint: contentHash({ world, seed, instruments, timeFrame, total }),
    timeFrame,
    instruments: simulation.instruments,
    total,
    warmUp:
      total === null ? Math.max(history, warmUpBarsMin) : warmUpAsOfs(total, warmUpBarsMin, warmUpShare),
    paceMs: paceOf(settings.speed, timeFrame),
    isLive: false,
    countsAnew: neverAnew,
    files: [],
    rowsRefused: 0,
    gaps: 0,
    barsMissing: 0,
    refusals: [],
    strays: [],
    from: ({ index }) => {
      const fresh = Either.getOrThrow(simulate(options))
      fresh.skip(index)
      return Effect.succeed(
        Effect.sync(() => (total !== null && fresh.position() >= total ? undefined : { bars: fresh.next() }))
      )
    },
    sources: noSources
  } satisfies Feed
})
