/** A dated series from a file or an HTTP address. */
import { type DatedSeries, parseDatedSeries, type SeriesLayout } from "../../market/streams/DatedSeries.ts"
import { type OutsideSource, outsideSource } from "./OutsideSource.ts"

export const seriesSource = <Column extends string>(
  location: string,
  setting: string,
  layout: Omit<SeriesLayout<Column>, "name">
): OutsideSource<DatedSeries<Column>> =>
  outsideSource(location, setting, (name, text) => parseDatedSeries(text, { ...layout, name }))
