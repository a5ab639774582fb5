/** Which instrument somebody means. */
import { Effect } from "effect"
import { AmbiguousInstrument, UnknownInstrument } from "../protocols/errors.ts"
import type { Instrument, InstrumentId } from "../protocols/Instrument.ts"

/** The instrument meant by an id or a symbol. */
export const resolveInstrument = (
  listed: ReadonlyArray<Instrument>,
  text: string
): Effect.Effect<InstrumentId, UnknownInstrument | AmbiguousInstrument> => {
  const wanted = text.toLowerCase()
  const exact = listed.find(({ id }) => id.toLowerCase() === wanted)
  const matching =
    exact === undefined ? listed.filter(({ symbol }) => symbol.toLowerCase() === wanted) : [exact]
  const [first, second] = matching
  if (first === undefined) {
    return new UnknownInstrument({
      symbol: text.slice(0, 100),
      known: listed.slice(0, 100).map(({ symbol }) => symbol)
    })
  }
  if (second !== undefined) {
    return new AmbiguousInstrument({ symbol: text.slice(0, 100), candidates: matching.map(({ id }) => id) })
  }
  return Effect.succeed(first.id)
}
