/** Hourly bars in the order in which they became known: most with their close, some late, some corrected, some never. */
import fc from "fast-check"
import { visibleAt } from "../../../src/market/time/BarBook.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { barAt, hourMs } from "./bars.ts"

const arrival = fc.record({
  lateHours: fc.constantFrom(0, 0, 0, 1, 2, 7),
  corrections: fc.array(
    fc.record({ afterHours: fc.integer({ min: 1, max: 9 }), move: fc.integer({ min: -4, max: 4 }) }),
    {
      maxLength: 2
    }
  ),
  isMissing: fc.integer({ min: 0, max: 9 }).map((one) => one === 0)
})

export const arrivals: fc.Arbitrary<ReadonlyArray<Bar>> = fc
  .array(arrival, { minLength: 1, maxLength: 40 })
  .map((all) =>
    all
      .flatMap(({ corrections, isMissing, lateHours }, place) => {
        if (isMissing) return []
        const first = barAt(place)
        let knownAt = first.closeTime + lateHours * hourMs
        const versions: Array<Bar> = [{ ...first, knownAt }]
        for (const [i, { afterHours, move }] of corrections.entries()) {
          knownAt += afterHours * hourMs
          versions.push({ ...first, close: first.open + move, revision: i + 1, knownAt })
        }
        return versions
      })
      .sort((a, b) => visibleAt(a) - visibleAt(b))
  )
