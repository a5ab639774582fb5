/**
 * The journal: the one authority on what has happened. An event is in it or it is not; what it has acknowledged
 * survives the death of every process.
 *
 * A stream has one writer at a time. The writer says at which sequence it believes the stream to be and under
 * which epoch it writes: the first catches a competitor, the second a predecessor that does not know it has
 * been replaced. Sequences rise without being dense.
 */
import { Context, type Effect, type Stream } from "effect"
import type { Epoch, Sequence } from "../protocols/wire/Ids.ts"
import type {
  CorruptRecord,
  JournalUnavailable,
  PayloadTooLarge,
  StaleEpoch,
  WrongExpectedSequence
} from "./errors.ts"

export interface JournalRecord {
  readonly stream: string
  readonly sequence: Sequence
  /** Of the record before it, 0 for the first: shows a reader that retention has taken something in between. */
  readonly previous: Sequence
  readonly epoch: Epoch
  readonly data: Uint8Array
}

export interface AppendOptions {
  readonly stream: string
  /** The sequence of the stream's latest record; 0 for none. */
  readonly expected: Sequence
  readonly epoch: Epoch
  /** Names the event: appended again under the same id after a lost acknowledgement, it is there once. */
  readonly id: string
  readonly data: Uint8Array
}

export type AppendError = WrongExpectedSequence | StaleEpoch | JournalUnavailable | PayloadTooLarge
export type ReadError = JournalUnavailable | CorruptRecord

export class Journal extends Context.Tag("conclave/Journal")<
  Journal,
  {
    readonly kind: "sqlite" | "jetstream"
    readonly append: (options: AppendOptions) => Effect.Effect<Sequence, AppendError>
    /** From now on the stream refuses lower epochs. Returns where the stream is. */
    readonly fence: (stream: string, epoch: Epoch) => Effect.Effect<Sequence, StaleEpoch | JournalUnavailable>
    /** The record at a sequence, if it is there. */
    readonly readOne: (
      stream: string,
      sequence: Sequence
    ) => Effect.Effect<JournalRecord | undefined, ReadError>
    /** The sequence of the latest record; 0 for none. */
    readonly last: (stream: string) => Effect.Effect<Sequence, JournalUnavailable>
    /**
     * Everything after a sequence, then what comes, without end. Records arrive one by one in order, as fast as
     * they are taken and no faster.
     */
    readonly tail: (stream: string, after: Sequence) => Stream.Stream<JournalRecord, ReadError>
    /** What lies after one sequence, up to and including another at which the stream has been. */
    readonly replay: (
      stream: string,
      after: Sequence,
      through: Sequence
    ) => Stream.Stream<JournalRecord, ReadError>
    /** Retention: keeps the latest `keep` records of a stream. */
    readonly trim: (stream: string, keep: number) => Effect.Effect<void, JournalUnavailable>
  }
>() {}
