/** What the keeping of bars refuses: mistakes of the program are thrown, what depends on data is given back. */
import { Schema } from "effect"

/** A time frame is to be made of one that does not divide it. */
export class AggregationInvalid extends Schema.TaggedError<AggregationInvalid>()("AggregationInvalid", {
  from: Schema.String,
  to: Schema.String
}) {
  override get message() {
    return `Bars of ${this.to} cannot be made of bars of ${this.from}: choose a whole multiple of these.`
  }
}

/** Bars were pushed in another order than that of time; who pushes them sorts them. */
export class BarOutOfOrder extends Schema.TaggedError<BarOutOfOrder>()("BarOutOfOrder", {
  openTime: Schema.Finite,
  after: Schema.Finite
}) {
  override get message() {
    return `A bar that opens at ${this.openTime} was pushed after all before ${this.after} was closed: late bars go through a bar book.`
  }
}

/** A daily series has a bar on a day without a session. */
export class NotASession extends Schema.TaggedError<NotASession>()("NotASession", {
  instrument: Schema.String,
  calendar: Schema.String,
  date: Schema.String,
  bars: Schema.Finite
}) {
  override get message() {
    return `${this.instrument} does not trade by the calendar ${this.calendar}: ${this.bars} of its bars are of days without a session, the first of ${this.date}. Remove them or choose another calendar.`
  }
}
