/**
 * The places that bars come from, each opened once for the whole node: whoever wants bars of one asks here and gets
 * the same source, with one live connection and one budget of requests for all.
 *
 * What can go wrong: a source that does not open is tried again by whoever asks next. Two settings that lead to one
 * venue are refused, since they would be two connections and two budgets.
 */
import { Context, Effect, ExecutionStrategy, Exit, Scope } from "effect"
import type { BarSource } from "./BarSource.ts"
import { NoSource, type SourceFailed } from "./errors.ts"
import { makeRateBudget, type RateBudget } from "./RateBudget.ts"
import { shareLive } from "./SharedLive.ts"

export interface VenueSettings {
  readonly name: string
  readonly requestsPerMinuteMax?: number | undefined
}

/** Of a venue that is given none. */
const requestsPerMinuteMaxDefault = 600

export class Venues extends Context.Tag("conclave/Venues")<
  Venues,
  {
    /** In the order of preference. */
    readonly names: ReadonlyArray<string>
    /** The source of a name: the one that is open, or else opened now and until the node ends. */
    readonly get: (name: string) => Effect.Effect<BarSource, SourceFailed | NoSource>
  }
>() {}

/** A name or a venue that comes twice. */
const whyNot = <Settings extends VenueSettings>(
  sources: ReadonlyArray<Settings>,
  venueOf: (settings: Settings) => string
): string | undefined => {
  const names = new Set<string>()
  const venues = new Map<string, string>()
  for (const settings of sources) {
    const { name } = settings
    if (names.has(name)) return `two of marketData.sources are called ${name}`
    const venue = venueOf(settings)
    const other = venues.get(venue)
    if (other !== undefined) {
      return `${other} and ${name} of marketData.sources are one venue (${venue}), and a node opens one connection to it`
    }
    names.add(name)
    venues.set(venue, name)
  }
  return undefined
}

export const makeVenues = <Settings extends VenueSettings>(options: {
  readonly sources: ReadonlyArray<Settings>
  readonly venueOf: (settings: Settings) => string
  readonly open: (
    settings: Settings,
    budget: RateBudget
  ) => Effect.Effect<BarSource, SourceFailed, Scope.Scope>
}): Effect.Effect<typeof Venues.Service, NoSource, Scope.Scope> =>
  Effect.gen(function* () {
    const { open, sources, venueOf } = options
    const reason = whyNot(sources, venueOf)
    if (reason !== undefined) return yield* new NoSource({ reason })
    const scope = yield* Effect.scope
    const openShared = (settings: Settings, budget: RateBudget) =>
      Effect.gen(function* () {
        const source = yield* open(settings, budget)
        const { live, name } = source
        return live === null ? source : { ...source, live: yield* shareLive(name, live) }
      })
    const entries = yield* Effect.forEach(sources, (settings) =>
      Effect.gen(function* () {
        const lock = yield* Effect.makeSemaphore(1)
        const budget = yield* makeRateBudget(settings.requestsPerMinuteMax ?? requestsPerMinuteMaxDefault)
        let opened: BarSource | undefined
        const openNow = Effect.gen(function* () {
          const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
          opened = yield* openShared(settings, budget).pipe(
            Scope.extend(own),
            Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
          )
          return opened
        })
        const get = lock.withPermits(1)(
          Effect.suspend(() => (opened === undefined ? openNow : Effect.succeed(opened)))
        )
        return [settings.name, get] as const
      })
    )
    const byName = new Map(entries)
    return {
      names: sources.map(({ name }) => name),
      get: (name) =>
        byName.get(name) ?? new NoSource({ reason: `none of marketData.sources is called ${name}` })
    }
  })
