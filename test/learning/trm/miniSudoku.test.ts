import { describe, expect, it } from "@effect/vitest"
import { cells, type Grid, isHeldOut, puzzleOf, puzzles, side, solutions } from "../../support/miniSudoku.ts"

const groups: ReadonlyArray<ReadonlyArray<number>> = Array.from({ length: side }, (_, i) => [
  Array.from({ length: side }, (_, j) => i * side + j),
  Array.from({ length: side }, (_, j) => j * side + i),
  // Box i: two rows of three cells.
  Array.from(
    { length: side },
    (_, j) => (Math.floor(i / 2) * 2 + Math.floor(j / 3)) * side + (i % 2) * 3 + (j % 3)
  )
]).flat()

const isSolved = (grid: Grid) =>
  groups.every((group) => new Set(group.map((cell) => grid[cell])).size === side) &&
  grid.every((digit) => digit >= 1 && digit <= side)

describe("the puzzles of six by six", () => {
  const some = puzzles("test", 100, { heldOut: false })

  it("have solutions that hold every digit once in each row, column and box", () => {
    expect(groups.length).toBe(18)
    for (const { solution } of some) expect(isSolved(solution)).toBe(true)
  })

  it("have one solution each, and no given too many", () => {
    for (const { givens, solution } of some) {
      expect(solutions(givens, 10)).toEqual([solution])
      givens.forEach((digit, cell) => {
        if (digit === 0) return
        expect(digit).toBe(solution[cell])
        const fewer = givens.map((other, at) => (at === cell ? 0 : other))
        expect(solutions(fewer, 2).length).toBe(2)
      })
    }
  })

  it("have as many givens as are asked for where that is more", () => {
    for (let number = 0; number < 20; number++) {
      const { givens, solution } = puzzleOf("test", number, 18)
      expect(givens.filter((digit) => digit > 0).length).toBe(18)
      expect(solutions(givens, 2)).toEqual([solution])
    }
  })

  it("are solved by a search that finds all solutions, and none of what contradicts itself", () => {
    // There are 28,200,960 solutions (Pettersen, 2006), as many for each of the 6! first rows.
    const empty = Array<number>(cells).fill(0)
    expect(solutions([1, 2, 3, 4, 5, 6, ...empty.slice(6)], 100_000).length).toBe(28_200_960 / 720)
    expect(solutions([1, 1, ...empty.slice(2)], 1)).toEqual([])
  }, 60_000)

  it("are split by their solutions", () => {
    const held = puzzles("test", 10, { heldOut: true })
    expect(held.every(({ solution }) => isHeldOut(solution))).toBe(true)
    expect(some.some(({ solution }) => isHeldOut(solution))).toBe(false)
  })

  it("differ, and follow from their key and number", () => {
    expect(new Set(some.map(({ givens }) => givens.join(""))).size).toBe(100)
    expect(puzzleOf("a", 1)).toEqual(puzzleOf("a", 1))
    expect(puzzleOf("a", 1)).not.toEqual(puzzleOf("b", 1))
  })
})
