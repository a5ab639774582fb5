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

const folders = ["crypto", "equities"].map((name) => join(root, name)).filter((folder) => existsSync(folder))

export const files = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /\.csv(\.gz)?$/.test(name))
    .sort()
    .map((name) => join(folder, name))
)

/** Why a suite of that name is skipped, if it is. */
export const skippedTitle = (suite: string): string =>
  `${suite} (skipped: no folder crypto or equities with CSV files in ${root}; set CONCLAVE_DATA to a folder that has them)`
