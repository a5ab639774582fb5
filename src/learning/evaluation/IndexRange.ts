/** The samples, or the rows, from `first` up to but not including `end`, by their index from 0. */
export interface IndexRange {
  readonly first: number
  readonly end: number
}

export const indicesOf = ({ first, end }: IndexRange): Uint32Array =>
  Uint32Array.from({ length: end - first }, (_, i) => first + i)

/** The part of a number, from 0, of `parts` neighbours whose lengths differ by one at most. */
export const partOf = (samples: number, parts: number, part: number): IndexRange => ({
  first: Math.floor((part * samples) / parts),
  end: Math.floor(((part + 1) * samples) / parts)
})
