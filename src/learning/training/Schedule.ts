/** The learning rate, by step. */
import { Schema } from "effect"

const Rate = Schema.Finite.pipe(Schema.positive())
const Steps = Schema.Int.pipe(Schema.nonNegative())

export const ScheduleSpec = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("constant"), rate: Rate, warmUpSteps: Steps }),
  /** Down along half a cosine to `least` at `steps` (Loshchilov and Hutter, 2017). */
  Schema.Struct({
    kind: Schema.Literal("cosine"),
    rate: Rate,
    warmUpSteps: Steps,
    steps: Steps,
    least: Schema.Finite.pipe(Schema.nonNegative())
  }),
  /** Times `factor` every `every` steps. */
  Schema.Struct({
    kind: Schema.Literal("stepped"),
    rate: Rate,
    warmUpSteps: Steps,
    every: Schema.Int.pipe(Schema.positive()),
    factor: Rate
  })
)
export type ScheduleSpec = typeof ScheduleSpec.Type

/** Of step 1, 2, ...; during the warm-up it rises linearly. */
export const rateAt = (spec: ScheduleSpec, step: number): number => {
  const { rate, warmUpSteps } = spec
  if (step <= warmUpSteps) return (rate * step) / warmUpSteps
  const after = step - 1 - warmUpSteps
  switch (spec.kind) {
    case "constant":
      return rate
    case "cosine": {
      const share = Math.min(1, after / Math.max(1, spec.steps - warmUpSteps))
      return spec.least + ((rate - spec.least) * (1 + Math.cos(Math.PI * share))) / 2
    }
    case "stepped":
      return rate * spec.factor ** Math.floor(after / spec.every)
  }
}
