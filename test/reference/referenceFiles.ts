/** The bar files that the reference tests take: every one of its kind below a folder, never a list of names. */
import { existsSync, readdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const fromEnvironment = process.env.CONCLAVE_DATA

/** `CONCLAVE_DATA`, or the folder beside the checkout. */
export const root =
  fromEnvironment === undefined || fromEnvironment === ""
    ? fileURLToPath(new URL("../../../shared/data", import.meta.url))
    : resolve(fromEnvironment)

/** The CSV files of a folder of the reference data, in the order of their names; none where it is absent. */
export const filesIn = (name: string): ReadonlyArray<string> => {
  const folder = join(root, name)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => /\.csv(\.gz)?$/.test(file))
    .sort()
    .map((file) => join(folder, file))
}

export const files = ["crypto", "equities"].flatMap(filesIn)

/** Why a suite of that name is skipped, if it is. */
export const skippedTitle = (suite: string): string =>
  `${suite} (skipped: no folder crypto or equities with CSV files in ${root}; set CONCLAVE_DATA to a folder that has them)`
