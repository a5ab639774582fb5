/** The kinds of numbers that the settings of the algorithms are made of. */
import { Schema } from "effect"
import { networkLimits } from "../networks/NetworkSpec.ts"

export const Count = Schema.Int.pipe(Schema.positive())
export const Share = Schema.Finite.pipe(Schema.between(0, 1))
export const Positive = Schema.Finite.pipe(Schema.positive())
export const Weight = Schema.Finite.pipe(Schema.nonNegative())
export const BatchRows = Schema.Int.pipe(Schema.between(2, 65_536))
/** Updates of one run: each takes its share of the memory of the run. */
export const RunUpdates = Schema.Int.pipe(Schema.between(1, 1_000))
/** Units of the layers between input and output. */
export const Hidden = Schema.NonEmptyArray(Schema.Int.pipe(Schema.between(1, networkLimits.width)))
