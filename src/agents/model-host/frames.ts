/** What a node asks of its model host. Tensors travel as bytes: float32, little endian, one after the other. */

export const hostKind = { load: 16, run: 17 } as const

/** The reason of a refusal to run what the host does not hold, or holds no longer. */
export const notLoaded = "not loaded"

export interface LoadHeader {
  readonly digest: string
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
}
