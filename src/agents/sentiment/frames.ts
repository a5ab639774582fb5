/** What is asked of the child that runs text classifiers. Probabilities travel as bytes: float32, little endian. */

export const sentimentKind = { load: 16, score: 17 } as const

export interface LoadHeader {
  /** Absolute; its files have been looked at. */
  readonly folder: string
}

export interface ScoreHeader {
  readonly sentences: ReadonlyArray<string>
}

/** The body has [sentences, labels] probabilities, in the order of the model's own labels. */
export interface ScoreAnswer {
  readonly labels: number
}
