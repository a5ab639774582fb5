/**
 * A few dozen stems of financial English: which words say that something rises or falls, which quantities a company wants
 * more of and which less, what is good news and bad. From general knowledge of the language, not from any data set; whether
 * they help is decided when a classifier is selected.
 */

const classes = {
  rise: "increas rose rise rising grow grew climb surg jump soar gain improv expand rebound recover doubl tripl boost strengthen advanc higher up exceed accelerat rall upturn upgrad outperform",
  fall: "decreas fell fall declin drop shrink shrank sank sink slip slid tumbl plung contract weaken worsen deteriorat diminish reduc cut lower down slump slow lag downturn downgrad underperform halv",
  asset:
    "profit sale revenue income earning turnover ebit eps margin dividend order demand cash volume traffic output production result return export equity value",
  burden:
    "loss cost expens expenditur debt charg impairment writedown write-down unemployment inflation deficit liabilit tax default bad-debt",
  good: "award win won strong success profitab record best better robust favo positive beat optimis approv benefit leading agreement partner innovat efficien",
  bad: "weak poor difficult lawsuit sue fine layoff lay-off redundan dismiss bankrup insolven fraud recall strike halt suspen delay fail warn crisis recession negative worst worse problem concern disappoint cancel clos terminat penalt shortage downsiz",
  negation: "not no never without neither nor cannot",
  comparison: "from compar versus vs against than previous preceding correspond earlier ago",
  expectation:
    "expect estimat forecast anticipat project believ predict outlook guidance will should target aim plan"
} as const

export type WordClass = keyof typeof classes

/** Stems of three letters and fewer are whole words: "up" is not the beginning of "update". */
const wholeWordCharsMax = 3

const patternOf = (stems: string): RegExp =>
  new RegExp(
    `^(?:${stems
      .split(" ")
      .map((stem) => (stem.length > wholeWordCharsMax ? `${stem}.*` : stem))
      .join("|")})$`
  )

const patterns = Object.entries(classes).map(
  ([name, stems]) => [name as WordClass, patternOf(stems)] as const
)

/** The first class that a word in lower case belongs to. */
export const wordClassOf = (word: string): WordClass | undefined =>
  patterns.find(([, pattern]) => pattern.test(word))?.[0]
