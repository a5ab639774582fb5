/**
 * Which weights to take away: those of least magnitude (Han et al., Learning both Weights and Connections for Efficient
 * Neural Networks, 2015), to a share that grows over the rounds of a schedule (Zhu and Gupta, To Prune, or Not to
 * Prune, 2017, section 3).
 *
 * A mask stands over the flat vector of parameters: 0 for what is pruned, 1 for the rest. Only matrices are pruned:
 * entries that weight decay applies to, of two dimensions or more, and that are not frozen.
 *
 * What can go wrong: a sparsity outside [0, 1), or vectors of another size than the manifest's, throw
 * CompressionInvalid. Over all weights together, a matrix of small ones may lose all of them. A pruned model is no smaller and no faster by itself: ONNX files and onnxruntime keep zeros like
 * any other number. It deflates better, and where whole rows are gone a smaller network may be trained.
 * Invariants: a mask takes exactly round(sparsity x prunable) weights, over all of them or in each matrix; ties go by
 * place; what an earlier mask took stays taken.
 */
import type { Manifest, ParameterEntry } from "../graph/Parameters.ts"
import { CompressionInvalid } from "./errors.ts"

/** Whether weights compete with all others, or with those of their own matrix. */
export type PruningScope = "global" | "layer"

export interface MaskOptions {
  /** The share of the prunable weights that is taken, in [0, 1). */
  readonly sparsity: number
  readonly scope: PruningScope
  /** An earlier mask: what it took is taken first. */
  readonly previous?: Float32Array
}

export interface PruningSchedule {
  /** Rounds of pruning, each with a training after it. */
  readonly rounds: number
  /** Before the first round; 0 for a dense network. */
  readonly initialSparsity: number
  /** After the last round. */
  readonly finalSparsity: number
}

const countOf = ({ shape }: ParameterEntry): number => shape.reduce((product, size) => product * size, 1)

const isPrunable = ({ decay, frozen, shape }: ParameterEntry): boolean =>
  decay && !frozen && shape.length >= 2

const checkShare = (part: string, share: number): void => {
  if (share >= 0 && share < 1) return
  throw new CompressionInvalid({ part, reason: `is ${share}, not from 0 and below 1` })
}

/** s = final + (initial - final) (1 - k / n)^3 after round k = 1 .. n: much at first, less and less after. */
export const sparsityAfter = (schedule: PruningSchedule, round: number): number => {
  const { finalSparsity, initialSparsity, rounds } = schedule
  checkShare("the initial sparsity", initialSparsity)
  checkShare("the final sparsity", finalSparsity)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new CompressionInvalid({ part: "the number of rounds", reason: `is ${rounds}, not 1 or more` })
  }
  const left = 1 - Math.min(rounds, Math.max(0, round)) / rounds
  return finalSparsity + (initialSparsity - finalSparsity) * left ** 3
}

/** Magnitudes as whole numbers of the same order: the bits of a float32 without its sign. */
const magnitudes = (parameters: Float32Array): Uint32Array => {
  const bits = new Uint32Array(parameters.slice().buffer)
  return bits.map((one) => one & 0x7fff_ffff)
}

const digitBits = 16

/** The value below which exactly `count` of the given lie, ties apart, by two passes over halves of their bits. */
const thresholdOf = (values: Uint32Array, places: Uint32Array, count: number): number => {
  let prefix = 0
  let left = count
  for (const shift of [digitBits, 0]) {
    const counts = new Uint32Array(2 ** digitBits)
    for (const place of places) {
      const value = values[place] as number
      if (shift === 0 && value >>> digitBits !== prefix) continue
      const digit = (value >>> shift) & 0xffff
      counts[digit] = (counts[digit] as number) + 1
    }
    let digit = 0
    while (digit < counts.length - 1 && (counts[digit] as number) <= left) left -= counts[digit++] as number
    prefix = shift === 0 ? prefix * 2 ** digitBits + digit : digit
  }
  return prefix
}

/** Takes `count` of the places out of the mask, those of least magnitude first and by place among equals. */
const take = (mask: Float32Array, values: Uint32Array, places: Uint32Array, count: number): void => {
  if (count === 0) return
  const threshold = thresholdOf(values, places, count)
  let left = count
  for (const place of places) {
    if ((values[place] as number) >= threshold) continue
    mask[place] = 0
    left--
  }
  for (const place of places) {
    if (left === 0) return
    if (values[place] !== threshold) continue
    mask[place] = 0
    left--
  }
}

const placesOf = (entries: ReadonlyArray<ParameterEntry>): Uint32Array => {
  const places = new Uint32Array(entries.reduce((sum, entry) => sum + countOf(entry), 0))
  let at = 0
  for (const entry of entries) {
    for (let i = 0; i < countOf(entry); i++) places[at++] = entry.offset + i
  }
  return places
}

/** Places of the weights that compete with each other. */
const groupsOf = ({ entries }: Manifest, scope: PruningScope): ReadonlyArray<Uint32Array> => {
  const prunable = entries.filter(isPrunable)
  return scope === "global" ? [placesOf(prunable)] : prunable.map((entry) => placesOf([entry]))
}

const checkSize = (manifest: Manifest, part: string, values: Float32Array): void => {
  if (values.length === manifest.size) return
  throw new CompressionInvalid({ part, reason: `has ${values.length} numbers, not ${manifest.size}` })
}

/** [size], 1 for what stays and 0 for what is taken. */
export const magnitudeMask = (
  manifest: Manifest,
  parameters: Float32Array,
  { previous, scope, sparsity }: MaskOptions
): Float32Array => {
  checkShare("the sparsity", sparsity)
  checkSize(manifest, "the vector of parameters", parameters)
  if (previous !== undefined) checkSize(manifest, "the earlier mask", previous)
  // One above the magnitude, so that what was taken before is less than any 0.
  const values = magnitudes(parameters).map((bits, i) => (previous?.[i] === 0 ? 0 : bits + 1))
  const mask = new Float32Array(manifest.size).fill(1)
  for (const places of groupsOf(manifest, scope)) {
    take(mask, values, places, Math.round(sparsity * places.length))
  }
  return mask
}

/** The parameters, with 0 where the mask has it. */
export const masked = (parameters: Float32Array, mask: Float32Array): Float32Array =>
  parameters.map((value, i) => (mask[i] === 0 ? 0 : value))

export interface Sparsity {
  readonly prunable: number
  readonly zeros: number
}

/** Zeros among the prunable weights, and in each matrix. */
export const sparsityOf = (
  { entries }: Manifest,
  parameters: Float32Array
): Sparsity & { readonly matrices: ReadonlyArray<Sparsity & { readonly name: string }> } => {
  const matrices = entries.filter(isPrunable).map((entry) => {
    const values = parameters.subarray(entry.offset, entry.offset + countOf(entry))
    const zeros = values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0)
    return { name: entry.name, prunable: values.length, zeros }
  })
  const sum = (of: (one: Sparsity) => number) => matrices.reduce((total, one) => total + of(one), 0)
  return { prunable: sum(({ prunable }) => prunable), zeros: sum(({ zeros }) => zeros), matrices }
}
