/** Where trials are entered: beside the runs, of which retention keeps a few only. */
import { join } from "node:path"
import type { Settings } from "../agents/Settings.ts"

export const trialFolder = ({ node }: Settings): string => join(node.dataDirectory, "trials")
