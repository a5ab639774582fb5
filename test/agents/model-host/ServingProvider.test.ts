import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { ProviderUnfit } from "../../../src/agents/model-host/errors.ts"
import type { Offer } from "../../../src/agents/model-host/frames.ts"
import { Provider } from "../../../src/agents/model-host/Provider.ts"
import type { Trial } from "../../../src/agents/model-host/providerTrials.ts"
import { makeServingProvider } from "../../../src/agents/model-host/ServingProvider.ts"

const options = { script: "", memoryBytesMax: 0 }

/** Trials in which those named succeed. */
const trials = (...working: ReadonlyArray<Provider>) => {
  const tried: Array<Offer> = []
  const trial = (offer: Offer): Effect.Effect<Trial> =>
    Effect.sync(() => {
      tried.push(offer)
      const { provider } = offer
      const unfit = new ProviderUnfit({ provider, reason: "no-device", detail: "none" })
      return { provider, unfit: working.includes(provider) ? null : unfit }
    })
  return { tried, trial }
}

describe("the provider that a node serves on", () => {
  it.effect("is the CPU, and nothing is tried, where the CPU was chosen", () =>
    Effect.gen(function* () {
      const { trial, tried } = trials("cuda")
      const provider = makeServingProvider("cpu", options, trial)
      expect(yield* provider.try).toBe(false)
      expect(tried).toEqual([])
      expect(provider.loadHeader("d")).toEqual({ digest: "d" })
      expect(provider.describe()).toBe("on cpu")
    })
  )

  it.effect("is the CPU where nothing else works, with the reason of each", () =>
    Effect.gen(function* () {
      const { trial, tried } = trials()
      const provider = makeServingProvider("auto", options, trial)
      expect(yield* provider.try).toBe(false)
      expect(tried.map((offer) => offer.provider)).toEqual(Provider.literals)
      expect(provider.loadHeader("d")).toEqual({ digest: "d" })
      expect(provider.describe()).toBe(
        "on cpu; cuda: no-device; webgpu: no-device; tensorflow-gpu: no-device"
      )
      // Once.
      expect(yield* provider.try).toBe(false)
      expect(tried.length).toBe(Provider.literals.length)
    })
  )

  it.effect("is offered with each model when it works: the first of several, and only if it is faster", () =>
    Effect.gen(function* () {
      const provider = makeServingProvider("auto", options, trials("webgpu", "cuda").trial)
      expect(yield* provider.try).toBe(true)
      expect(provider.loadHeader("d")).toEqual({
        digest: "d",
        offer: { provider: "cuda", onlyIfFaster: true }
      })
      yield* provider.settled("d", { provider: "cuda", unfit: null })
      yield* provider.settled("e", { provider: "cuda", unfit: { reason: "slower", detail: "2 ms" } })
      expect(provider.describe()).toBe("on cpu, cuda for 1 of 2 models; tensorflow-gpu: no-device")
    })
  )

  it.effect("is offered whatever it takes where it was named", () =>
    Effect.gen(function* () {
      const { trial, tried } = trials("webgpu")
      const provider = makeServingProvider("webgpu", options, trial)
      expect(yield* provider.try).toBe(true)
      expect(tried).toEqual([{ provider: "webgpu", onlyIfFaster: false }])
      expect(provider.loadHeader("d").offer).toEqual({ provider: "webgpu", onlyIfFaster: false })
    })
  )

  it.effect("is the CPU for good once a child has died that was offered another", () =>
    Effect.gen(function* () {
      const provider = makeServingProvider("webgpu", options, trials("webgpu").trial)
      yield* provider.try
      yield* provider.died("before any model was offered it")
      expect(provider.loadHeader("d").offer).toBeDefined()
      yield* provider.died("it ended with SIGSEGV")
      expect(provider.loadHeader("d")).toEqual({ digest: "d" })
      expect(provider.describe()).toBe("on cpu; webgpu: died")
      expect(yield* provider.try).toBe(false)
      expect(provider.loadHeader("d")).toEqual({ digest: "d" })
    })
  )

  it.effect("is tried on from where the life before was interrupted", () =>
    Effect.gen(function* () {
      const { trial, tried } = trials()
      let isHanging = true
      const provider = makeServingProvider("auto", options, (offer) =>
        offer.provider === "webgpu" && isHanging ? Effect.never : trial(offer)
      )
      const first = yield* Effect.fork(provider.try)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      isHanging = false
      yield* provider.try
      expect(tried.map((offer) => offer.provider)).toEqual(Provider.literals)
    })
  )
})
