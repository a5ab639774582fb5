/** What a node asks of its model host. Tensors travel as bytes: float32, little endian, one after the other. */

import type { ProviderUnfitReason } from "./errors.ts"
import type { Provider } from "./Provider.ts"

export const hostKind = { load: 16, run: 17, try: 18 } as const

/** The reason of a refusal to run what the host does not hold, or holds no longer. */
export const notLoaded = "not loaded"

export interface LoadHeader {
  readonly digest: string
  /** Where it may be served besides the CPU. */
  readonly offer?: Offer
}

/** A provider that works, for a model to be served on. */
export interface Offer {
  readonly provider: Provider
  /** Only where it is no slower than the CPU. */
  readonly onlyIfFaster: boolean
}

export interface TensorHeader {
  readonly name: string
  readonly dims: ReadonlyArray<number>
}

export interface RunHeader {
  readonly digest: string
  readonly inputs: ReadonlyArray<TensorHeader>
  readonly outputs: ReadonlyArray<string>
}

export interface RunAnswer {
  readonly outputs: ReadonlyArray<TensorHeader>
  /** Said once, with the answer after it was found out. */
  readonly settled?: Settled
}

export interface Unfit {
  readonly reason: ProviderUnfitReason
  readonly detail: string
}

/** Whether a model is served on the provider that was offered. */
export interface Settled {
  readonly provider: Provider
  readonly unfit: Unfit | null
}

/** Tries a provider with the graph in the body, on inputs of the host's own. */
export interface TryHeader extends Offer {
  readonly inputs: ReadonlyArray<TensorHeader>
}

export interface TryAnswer {
  /** null: it works. */
  readonly unfit: Unfit | null
}
