/** What the settings of several agents are made of: counts, spans, shares, and what a key is for. */
import { Schema } from "effect"

export const Count = Schema.NonNegativeInt
export const Positive = Schema.Int.pipe(Schema.positive())
export const Ms = Schema.Int.pipe(Schema.between(0, 86_400_000))
export const Bytes = Schema.Int.pipe(Schema.between(0, 1_099_511_627_776))
export const Share = Schema.Finite.pipe(Schema.between(0, 1))
export const Rate = Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(1))

export const described =
  (description: string) =>
  <S extends Schema.Annotable.All>(schema: S): Schema.Annotable.Self<S> =>
    schema.annotations({ description })
