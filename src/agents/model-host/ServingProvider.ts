/**
 * Which execution provider a node's models are offered: none until its trial has succeeded, and none any more once a
 * child has died that had been offered one. Trials run beside serving on the CPU, one after the other, once.
 */
import { Effect } from "effect"
import { ProviderUnfit } from "./errors.ts"
import type { LoadHeader, Offer, Settled } from "./frames.ts"
import { type ProviderChoice, providersOf } from "./Provider.ts"
import { type Trial, type TrialOptions, tryProvider } from "./providerTrials.ts"

export interface ServingProvider {
  readonly loadHeader: (digest: string) => LoadHeader
  /** What the child has found out about a model. */
  readonly settled: (digest: string, settled: Settled) => Effect.Effect<void>
  /** Tries what has not been tried; true if models are to be offered a provider from now on. */
  readonly try: Effect.Effect<boolean>
  /** To be told of each child that has died. */
  readonly died: (reason: string) => Effect.Effect<void>
  /** In a few words. */
  readonly describe: () => string
}

/** Models whose provider is remembered for the description. */
const modelsMax = 1_024

export const makeServingProvider = (
  choice: ProviderChoice,
  options: TrialOptions,
  trial: (offer: Offer, options: TrialOptions) => Effect.Effect<Trial> = tryProvider
): ServingProvider => {
  const unfit: Array<ProviderUnfit> = []
  const served = new Map<string, boolean>()
  let untried = [...providersOf(choice)]
  let offer: Offer | undefined
  let wasOffered = false

  /** One that was asked for by its name should work. */
  const log = (text: string) =>
    choice === "auto" || offer !== undefined ? Effect.logInfo(text) : Effect.logWarning(text)

  const describe = (): string => {
    const reasons = unfit.map(({ provider, reason }) => `${provider}: ${reason}`)
    const others = [...served.values()].filter((isOn) => !isOn).length
    const on =
      offer === undefined
        ? "on cpu"
        : `on cpu, ${offer.provider} for ${served.size - others} of ${served.size} models`
    return [on, ...reasons].join("; ")
  }

  return {
    describe,
    loadHeader: (digest) => {
      if (offer === undefined) return { digest }
      wasOffered = true
      return { digest, offer }
    },
    settled: (digest, { provider, unfit: found }) =>
      Effect.suspend(() => {
        served.delete(digest)
        served.set(digest, found === null)
        if (served.size > modelsMax) served.delete(served.keys().next().value as string)
        const model = digest.slice(0, 12)
        return found === null
          ? Effect.logInfo(`The model ${model} is served on ${provider}`)
          : Effect.logInfo(
              `The model ${model} is served on the CPU: ${new ProviderUnfit({ provider, ...found }).message}`
            )
      }),
    try: Effect.gen(function* () {
      if (untried.length === 0) return false
      for (const provider of untried) {
        const candidate = { provider, onlyIfFaster: choice === "auto" }
        const tried = yield* trial(candidate, options)
        // Interrupted in between, the next life of the child goes on here.
        untried = untried.filter((other) => other !== provider)
        if (tried.unfit !== null) unfit.push(tried.unfit)
        else offer ??= candidate
      }
      const found = [
        offer === undefined ? "none but the CPU" : offer.provider,
        ...unfit.map(({ message }) => message)
      ]
      yield* log(`Execution providers that serve: ${found.join("; ")}`)
      return offer !== undefined
    }),
    died: (reason) =>
      Effect.suspend(() => {
        if (offer === undefined || !wasOffered) return Effect.void
        const lost = new ProviderUnfit({ provider: offer.provider, reason: "died", detail: reason })
        unfit.push(lost)
        served.clear()
        offer = undefined
        return Effect.logWarning(`Models are served on the CPU from now on: ${lost.message}`)
      })
  }
}
