/** Options that may be left out, for functions that take what is there by name. */
import { Option } from "effect"

/** What is given, by name; what is not is left out. */
export const given = <A extends Readonly<Record<string, Option.Option<unknown>>>>(options: A) =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  ) as { readonly [K in keyof A]?: Option.Option.Value<A[K]> }
