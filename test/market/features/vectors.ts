/** Expectations on feature vectors by name. */
import { asNumber, type FeatureValue, type FeatureVector } from "../../../src/market/features/FeatureValue.ts"
import type { FeatureSchema } from "../../../src/protocols/Model.ts"

export const named = (
  { names }: FeatureSchema,
  vector: FeatureVector | undefined
): Readonly<Record<string, FeatureValue>> =>
  Object.fromEntries(names.map((name, i) => [name, vector?.values[i] ?? "undefined"]))

export const numberOf = (schema: FeatureSchema, vector: FeatureVector | undefined, name: string): number =>
  asNumber(named(schema, vector)[name] as FeatureValue)
