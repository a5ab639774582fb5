/**
 * A series of target positions as a strategy: -1 short, 0 flat, 1 long, as shares of an exposure. It trades where the
 * target changes, to the lots that the target comes to at that close, and then holds these: it does not rebalance.
 * What has not filled by the next change is cancelled.
 */
import { market } from "../execution/Order.ts"
import { lotsForExposure } from "../execution/TargetExposure.ts"
import type { Instruction, Strategy } from "./EventEngine.ts"

export interface Targets {
  /** Of each instrument by its id: one target for each as-of of the schedule. Absent instruments are left alone. */
  readonly positions: ReadonlyMap<string, Int8Array>
  /** Share of the equity that a target of one comes to. */
  readonly exposure: number
}

export const targetStrategy =
  ({ exposure, positions }: Targets): Strategy =>
  ({ equity, heldOf, index, instruments, markOf, openOrdersOf }) => {
    const instructions: Array<Instruction> = []
    for (const instrument of instruments) {
      const targets = positions.get(instrument.id)
      const mark = markOf(instrument.id)
      if (targets === undefined || mark === null) continue
      const target = targets[index] ?? 0
      if (target === (index === 0 ? 0 : (targets[index - 1] ?? 0))) continue
      for (const { id } of openOrdersOf(instrument.id)) instructions.push({ kind: "cancel", order: id })
      const change = lotsForExposure(instrument, target * exposure, equity, mark) - heldOf(instrument.id)
      if (change !== 0) instructions.push(market(instrument.id, change))
    }
    return instructions
  }
