/** Where the program's own folder is, and the programs of its child processes. */
import { Context } from "effect"

export class Programs extends Context.Tag("conclave/Programs")<
  Programs,
  {
    readonly root: string
    readonly modelHost: string
    readonly sentimentHost: string
    readonly trainingHost: string
    readonly trainer: string
  }
>() {}
