/**
 * Sudoku of six by six, boxes of two rows by three columns: solutions, and puzzles with one solution.
 *
 * Cells are 0 where nothing is given, else 1 to 6, row by row.
 */
import { type KeyedRandom, keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

export const side = 6
export const cells = side * side
const boxRows = 2
const boxColumns = 3

export type Grid = ReadonlyArray<number>

export interface Puzzle {
  readonly givens: Grid
  readonly solution: Grid
}

const boxOf = (cell: number): number =>
  Math.floor(cell / side / boxRows) * (side / boxColumns) + Math.floor((cell % side) / boxColumns)

const digitsAll = (1 << side) - 1

const shuffled = <A>(values: ReadonlyArray<A>, random: KeyedRandom): Array<A> => {
  const result = [...values]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.int(i + 1)
    const held = result[i] as A
    result[i] = result[j] as A
    result[j] = held
  }
  return result
}

/** Solutions by search in the cell with the fewest candidates, at most so many. */
export const solutions = (givens: Grid, most: number, random?: KeyedRandom): ReadonlyArray<Grid> => {
  const grid = [...givens]
  const [rows, columns, boxes] = [0, 1, 2].map(() => new Int32Array(side)) as [
    Int32Array,
    Int32Array,
    Int32Array
  ]
  const toggle = (cell: number, digit: number) => {
    const bit = 1 << (digit - 1)
    const [row, column, box] = [Math.floor(cell / side), cell % side, boxOf(cell)]
    rows[row] = (rows[row] as number) ^ bit
    columns[column] = (columns[column] as number) ^ bit
    boxes[box] = (boxes[box] as number) ^ bit
  }
  const candidatesOf = (cell: number) =>
    digitsAll &
    ~(
      (rows[Math.floor(cell / side)] as number) |
      (columns[cell % side] as number) |
      (boxes[boxOf(cell)] as number)
    )
  for (let cell = 0; cell < cells; cell++) {
    const digit = grid[cell] as number
    if (digit === 0) continue
    if (((candidatesOf(cell) >> (digit - 1)) & 1) === 0) return []
    toggle(cell, digit)
  }
  const found: Array<Grid> = []
  const search = (): void => {
    let best = -1
    let fewest = side + 1
    for (let cell = 0; cell < cells && fewest > 1; cell++) {
      if (grid[cell] !== 0) continue
      let count = 0
      for (let rest = candidatesOf(cell); rest !== 0; rest &= rest - 1) count++
      if (count < fewest) {
        best = cell
        fewest = count
      }
    }
    if (best < 0) {
      found.push([...grid])
      return
    }
    const digits = Array.from({ length: side }, (_, i) => i + 1).filter(
      (digit) => ((candidatesOf(best) >> (digit - 1)) & 1) === 1
    )
    for (const digit of random === undefined ? digits : shuffled(digits, random)) {
      grid[best] = digit
      toggle(best, digit)
      search()
      toggle(best, digit)
      grid[best] = 0
      if (found.length >= most) return
    }
  }
  search()
  return found
}

/** A puzzle with one solution, from which no given can be taken away, or with at least so many. */
export const puzzleOf = (key: string, number: number, givensMin = 0): Puzzle => {
  const random = keyedRandom("mini-sudoku", key, number)
  const [solution = []] = solutions(Array<number>(cells).fill(0), 1, random)
  const givens = [...solution]
  let count = cells
  for (const cell of shuffled([...solution.keys()], random)) {
    if (count <= givensMin) break
    const digit = givens[cell] as number
    givens[cell] = 0
    if (solutions(givens, 2).length === 1) count--
    else givens[cell] = digit
  }
  return { givens, solution }
}

/** Whether puzzles of this solution are for tests: one in ten, by the solution alone. */
export const isHeldOut = (solution: Grid): boolean => keyedRandom("held-out", ...solution).next() < 0.1

/** Puzzles whose solutions are all held out, or none. */
export const puzzles = (
  key: string,
  count: number,
  options: { readonly heldOut: boolean; readonly givensMin?: number }
): ReadonlyArray<Puzzle> => {
  const found: Array<Puzzle> = []
  for (let number = 0; found.length < count; number++) {
    const puzzle = puzzleOf(key, number, options.givensMin)
    if (isHeldOut(puzzle.solution) === options.heldOut) found.push(puzzle)
  }
  return found
}
