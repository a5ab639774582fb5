/** Deep supervision as it is run to answer: so many steps in a row, each from where the last one came to. */
import { shapeOf, type Value, within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { scan } from "../graph/scan.ts"
import type { Dim } from "../graph/TensorType.ts"
import type { TrmNet, TrmState } from "./TrmNet.ts"

const start = ({ initial }: TrmNet, x: Value): TrmState => ({
  y: ops.broadcastLike(initial.y, x),
  z: ops.broadcastLike(initial.z, x)
})

/** The answer after all steps, whatever the network says of halting. */
export const superviseAll = (net: TrmNet, x: Value, steps: number): Value =>
  within("supervision", () => {
    const first = start(net, x)
    if (steps === 1) return net.superviseOnce(x, first).y
    const { states } = scan({ states: [first.y, first.z], sequences: [], steps }, ([y, z]) => {
      const next = net.superviseOnce(x, { y: y as Value, z: z as Value })
      return { states: [next.y, next.z], outputs: [] }
    })
    return states[0] as Value
  })

/** The answer of each row at the step at which its network halts, or at the last; and which step that is, [rows]. */
export const superviseUntilHalt = (
  net: TrmNet,
  x: Value,
  steps: number
): { readonly y: Value; readonly used: Value } =>
  within("supervision", () => {
    const first = start(net, x)
    const ones = ops.broadcastLike(ops.scalar(1), ops.reduceMean(x, [1, 2]))
    if (steps === 1) return { y: net.superviseOnce(x, first).y, used: ones }
    const rows = shapeOf(ones)[0] as Dim
    const { states } = scan(
      { states: [first.y, first.z, ones, ops.mul(ones, 0)], sequences: [], steps },
      ([y, z, active, used]) => {
        const next = net.superviseOnce(x, { y: y as Value, z: z as Value })
        const isActive = ops.reshape(ops.greater(active as Value, 0), [rows, 1, 1])
        // A halted row keeps its answer. Its latent state may go on: nothing is read from it any more.
        const answer = ops.where(isActive, next.y, y as Value)
        const goesOn = ops.cast(ops.not(ops.greater(net.halting(answer), 0)), "float")
        return {
          states: [answer, next.z, ops.mul(active as Value, goesOn), ops.add(used as Value, active as Value)],
          outputs: []
        }
      }
    )
    const [y, , , used] = states as [Value, Value, Value, Value]
    return { y, used }
  })
