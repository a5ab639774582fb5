/** The length of a bar, written as people write it: `1m`, `1h`, `1d`. */
import { Schema } from "effect"

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
type Unit = keyof typeof units

export const TimeFrame = Schema.String.pipe(
  Schema.pattern(/^[1-9][0-9]{0,3}[smhdw]$/, {
    message: () => "expected a count and a unit, like 1m, 4h or 1d"
  }),
  Schema.brand("TimeFrame")
)
export type TimeFrame = typeof TimeFrame.Type

export const toMs = (timeFrame: TimeFrame): number =>
  Number(timeFrame.slice(0, -1)) * units[timeFrame.slice(-1) as Unit]

/** The largest unit that divides the duration, or `undefined` for one that is no whole number of seconds. */
export const fromMs = (ms: number): TimeFrame | undefined => {
  for (const unit of ["w", "d", "h", "m", "s"] as const) {
    const count = ms / units[unit]
    if (Number.isInteger(count) && count >= 1 && count < 10_000 && !(unit === "w" && count > 1)) {
      return TimeFrame.make(`${count}${unit}`)
    }
  }
  return undefined
}
