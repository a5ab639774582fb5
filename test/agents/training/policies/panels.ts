/** Bars of a simulated world as the series that a policy is made of. */
import { seriesOf } from "../../../../src/agents/deep-learning/BarWindows.ts"
import type { Panel } from "../../../../src/agents/training/policies/PolicyData.ts"
import type { BarSeries } from "../../../../src/market/BarSeries.ts"
import { type Simulated, timeFrame } from "../../feedEvents.ts"

export const panelOf = ({ events, instruments }: Simulated): Panel => {
  const bars = events.flatMap(({ payload }) => payload.bars)
  const [first, ...rest] = instruments.map((one) =>
    seriesOf(
      one,
      timeFrame,
      bars.filter(({ instrument }) => instrument === one.id)
    )
  )
  return [first as BarSeries, ...rest]
}
