/**
 * Which of some items are taken together.
 *
 * What can go wrong: counts beyond 2^53 are rounded; whoever enumerates sets a limit far below.
 * Invariants: every combination comes once, in lexicographic order, its items rising.
 */

/** n! / (k! (n - k)!), exactly where the number before the last division is below 2^53. */
export const combinationCount = (items: number, taken: number): number => {
  if (taken > items) return 0
  let count = 1
  // Each intermediate is itself a number of combinations, so that every division comes out even.
  for (let i = 1; i <= taken; i++) count = (count * (items - taken + i)) / i
  return count
}

/** The array that is given is used again for the next one. */
export function* combinations(items: number, taken: number): Generator<Uint32Array> {
  if (taken > items) return
  const chosen = Uint32Array.from({ length: taken }, (_, i) => i)
  for (;;) {
    yield chosen
    // The last item that can move on does, and those after it follow close behind.
    let moved = taken - 1
    while (moved >= 0 && chosen[moved] === items - taken + moved) moved--
    if (moved < 0) return
    const item = (chosen[moved] as number) + 1
    for (let i = moved; i < taken; i++) chosen[i] = item + i - moved
  }
}
