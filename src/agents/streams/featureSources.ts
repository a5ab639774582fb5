/**
 * What the features of the market take from outside: figures by date and sectors, from tables as `conclave features` reads
 * them.
 */
import { Effect, Either } from "effect"
import type { Figures, Sectors } from "../../market/streams/marketFeatures.ts"
import { parseDatedTable } from "../features/DatedTable.ts"
import { parseSectors } from "../features/SectorTable.ts"
import type { Settings } from "../Settings.ts"
import { type OutsideSource, outsideSource } from "./OutsideSource.ts"

const figuresSource = (location: string, setting: string, column: string): OutsideSource<Figures> =>
  outsideSource(location, setting, function* (name, text) {
    const table = yield* parseDatedTable(name, text, [column])
    return Either.map(table, ({ first, rows }) => ({
      name,
      first,
      on: (day: number) => {
        const value = rows.get(day)?.values[0]
        return value === undefined || Number.isNaN(value) ? null : value
      }
    }))
  })

const sectorsSource = (location: string, setting: string): OutsideSource<Sectors> =>
  outsideSource(location, setting, function* (name, text) {
    return Either.map(yield* parseSectors(name, text), (of) => ({ name, of }))
  })

export const featureSources = (streams: Settings["streams"]) => {
  const vix = figuresSource(streams.vixSource, "streams.vixSource", "close")
  const putCall = figuresSource(streams.putCallSource, "streams.putCallSource", "put_call_ratio")
  const index = figuresSource(streams.indexSource, "streams.indexSource", "close")
  const sectors = sectorsSource(streams.sectorsSource, "streams.sectorsSource")
  const names = [vix, putCall, index, sectors].flatMap(({ name }) => (name === "" ? [] : [name]))
  return {
    /** Of those that are configured. */
    names,
    read: (refresh: boolean) =>
      Effect.all({
        vix: vix.read(refresh),
        putCall: putCall.read(refresh),
        /** Null where none is configured: an instrument may stand in. */
        index: index.name === "" ? Effect.succeed(null) : index.read(refresh),
        sectors: sectors.read(refresh)
      })
  }
}
