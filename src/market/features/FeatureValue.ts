/**
 * A feature at an as-of: a number, or the reason why there is none. A reason cannot be taken for a number, so that
 * nothing that is missing becomes a 0 on the way.
 */
import { Absence } from "../../protocols/Streams.ts"

/** In the order in which they are told. */
export const absences = Absence.literals

export type FeatureValue = number | Absence

export interface FeatureVector {
  readonly asOf: number
  /** In the order of the schema. */
  readonly values: ReadonlyArray<FeatureValue>
}

export const isPresent = (value: FeatureValue): value is number => typeof value === "number"

/** For columns of numbers, where an absent one is NaN. */
export const asNumber = (value: FeatureValue): number => (typeof value === "number" ? value : Number.NaN)
