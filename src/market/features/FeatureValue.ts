/**
 * A feature at an as-of: a number, or the reason why there is none. A reason cannot be taken for a number, so that
 * nothing that is missing becomes a 0 on the way.
 */

export const absences = ["warming-up", "no-source", "undefined"] as const
/**
 * - `warming-up`: the history is not yet long enough;
 * - `no-source`: a source that it is made of has nothing at the as-of, or within the window;
 * - `undefined`: the definition has no value there, as the share of winners where nothing has moved.
 */
export type Absence = (typeof absences)[number]

export type FeatureValue = number | Absence

export interface FeatureVector {
  readonly asOf: number
  /** In the order of the schema. */
  readonly values: ReadonlyArray<FeatureValue>
}

export const isPresent = (value: FeatureValue): value is number => typeof value === "number"

/** For columns of numbers, where an absent one is NaN. */
export const asNumber = (value: FeatureValue): number => (typeof value === "number" ? value : Number.NaN)
