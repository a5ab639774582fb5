/**
 * The simulator as a place that bars come from in real time: its world began at a given time, what has closed since
 * is history, and the next bar comes when it closes. To be beside real sources, or in their stead, for a trial.
 */
import { Chunk, Clock, Effect, Option, Stream } from "effect"
import { type Simulation, simulate } from "../../../market/Simulator.ts"
import { worlds } from "../../../market/worlds.ts"
import type { Bar } from "../../../protocols/Bar.ts"
import { toMs } from "../../../protocols/TimeFrame.ts"
import { breathe } from "../../../runtime/breathe.ts"
import type { BarRequest, BarSource } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import { sourceFailed } from "./failure.ts"
import { normalUnits, type SimulatorSettings } from "./SourceSettings.ts"

/** Bars of one instrument that are passed over, or made, in one go: about a millisecond. */
const barsPerSlice = 100

export const openSimulator = (settings: SimulatorSettings): Effect.Effect<BarSource, SourceFailed> =>
  Effect.gen(function* () {
    const { instruments, name, seed, timeFrame } = settings
    const refused = (reason: string) => sourceFailed(name, "refused", reason)
    const world = Object.hasOwn(worlds, settings.world)
      ? worlds[settings.world as keyof typeof worlds]
      : undefined
    if (world === undefined) {
      return yield* refused(
        `no world is called "${settings.world}"; there are ${Object.keys(worlds).join(", ")}`
      )
    }
    const startTime = Date.parse(settings.start)
    const frameMs = toMs(timeFrame)
    const begin = Effect.mapError(
      Effect.suspend(() => simulate({ world, seed, instruments, timeFrame, startTime })),
      ({ message }) => refused(message)
    )
    const known = (yield* begin).instruments
    const asOfsPerSlice = Math.max(1, Math.floor(barsPerSlice / instruments))

    /** A simulation that stands before the bars that open at a time or later. */
    const beginAt = (time: number) =>
      Effect.tap(
        begin,
        Effect.fnUntraced(function* (simulation) {
          let left = Math.max(0, Math.ceil((time - startTime) / frameMs))
          for (; left > 0; left -= asOfsPerSlice) {
            simulation.skip(Math.min(left, asOfsPerSlice))
            yield* breathe
          }
        })
      )
    const check = (request: BarRequest) => {
      if (request.timeFrame !== timeFrame) return refused(`it has no bars of ${request.timeFrame}`)
      const stranger = request.instruments.find(({ id }) => known.every((one) => one.id !== id))
      return stranger === undefined ? Effect.void : refused(`it has no bars of ${stranger.id}`)
    }
    /** The next bars of the instruments that are asked for. */
    const take = (simulation: Simulation, request: BarRequest): ReadonlyArray<Bar> => {
      const wanted = new Set<string>(request.instruments.map(({ id }) => id))
      return simulation
        .next()
        .filter(({ instrument }) => wanted.has(instrument))
        .map((bar) => ({ ...bar, source: name }))
    }
    const closeOf = (simulation: Simulation) => startTime + (simulation.position() + 1) * frameMs

    return {
      name,
      kind: "simulator",
      units: normalUnits,
      instruments: Effect.succeed(known),
      history: ({ from, instrument, timeFrame, to }) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const request = { instruments: [instrument], timeFrame }
            yield* check(request)
            const nowMs = yield* Clock.currentTimeMillis
            const simulation = yield* beginAt(Math.min(from, nowMs))
            const end = Math.min(to + frameMs - 1, nowMs)
            return Stream.paginateChunkEffect(0, () => {
              const bars: Array<Bar> = []
              while (bars.length < asOfsPerSlice && closeOf(simulation) <= end) {
                bars.push(...take(simulation, request))
              }
              const next = closeOf(simulation) <= end ? Option.some(0) : Option.none()
              return Effect.as(breathe, [Chunk.unsafeFromArray(bars), next] as const)
            })
          })
        ),
      live: (request) =>
        Stream.unwrap(
          Effect.gen(function* () {
            yield* check(request)
            // Opened since the last close: it is still to come.
            const simulation = yield* beginAt((yield* Clock.currentTimeMillis) - frameMs + 1)
            return Stream.repeatEffectChunk(
              Effect.gen(function* () {
                yield* Effect.sleep(closeOf(simulation) - (yield* Clock.currentTimeMillis))
                return Chunk.unsafeFromArray(take(simulation, request))
              })
            )
          })
        ),
      refused: () => 0
    }
  })
