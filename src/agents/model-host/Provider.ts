/** What models can be run on besides the CPU. */
import { Schema } from "effect"

export const Provider = Schema.Literal("cuda", "webgpu", "tensorflow-gpu")
export type Provider = typeof Provider.Type

export const ProviderChoice = Schema.Literal("auto", "cpu", ...Provider.literals)
export type ProviderChoice = typeof ProviderChoice.Type

/** In the order in which they are preferred. */
export const providersOf = (choice: ProviderChoice): ReadonlyArray<Provider> =>
  choice === "cpu" ? [] : choice === "auto" ? Provider.literals : [choice]

/**
 * What of a choice a node may follow. Providers round otherwise than the CPU does, and lock-step promises the same bytes.
 * A node without a feed does not know whether the run that it joins is lock-step: there, a provider has to be named.
 */
export const choiceFor = (
  choice: ProviderChoice,
  feed: { readonly paceMs: number | null } | undefined
): ProviderChoice => {
  const mayVary = feed === undefined ? choice !== "auto" : feed.paceMs !== null
  return mayVary ? choice : "cpu"
}
