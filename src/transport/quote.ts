/**
 * argv, cwd and env as one text for a shell, where a wire carries nothing else. The only place that quotes; every
 * byte that a process can receive as an argument arrives unchanged, and nothing in it is ever read as syntax.
 */
import type { Command } from './transport.ts'

type Quoted = { ok: true; text: string } | { ok: false; problem: string }

/**
 * For any POSIX sh. `exec` makes the shell look for a program, never for a builtin, function or alias of that
 * name, and replaces the shell, so that signals and exit codes are the program's own.
 */
export function posixCommand(command: Command): Quoted {
  const problem = unquotable(command)
  if (problem !== null) return { ok: false, problem }
  const move = command.cwd === undefined ? '' : `${posixMove(command.cwd)} && `
  return { ok: true, text: move + posixExec(command) }
}

type PwshDialect =
  /** PowerShell 7.3 and later. */
  | 'standard'
  /** Windows PowerShell 5.1 and pwsh before 7.3: arguments are pasted into a command line without escaping. */
  | 'legacy'

/**
 * For `pwsh -NoProfile -NonInteractive -Command TEXT`. Ends with the program's exit code. Follows PowerShell's
 * documentation (about_Quoting_Rules, about_Parsing); no PowerShell has read it yet, and no transport uses it yet.
 */
export function pwshCommand(command: Command, dialect: PwshDialect = 'standard'): Quoted {
  const problem = unquotable(command)
  if (problem !== null) return { ok: false, problem }
  const word = dialect === 'legacy' ? (arg: string) => pwshQuote(legacyArgument(arg)) : pwshQuote
  const [program = '', ...args] = command.argv
  const statements = [
    "$ErrorActionPreference = 'Stop'",
    ...(command.cwd === undefined ? [] : [`Set-Location -LiteralPath ${pwshQuote(command.cwd)}`]),
    ...Object.entries(command.env ?? {}).map(pwshSetEnv),
    ['&', pwshQuote(program), ...args.map(word)].join(' '),
    'exit $LASTEXITCODE',
  ]
  return { ok: true, text: statements.join('; ') }
}

/** What no process can be given, so that quoting cannot help; said by where it stands, never by the value. */
export function unquotable({ argv, cwd, env = {} }: Command): string | null {
  if (argv.length === 0 || argv[0] === '') return 'the command has no program'
  const named = (what: string, text: string) => {
    const problem = unencodable(text)
    return problem === null ? [] : [`${what} ${problem}`]
  }
  const isName = (name: string) => name !== '' && !name.includes('=') && unencodable(name) === null
  const [problem = null] = [
    ...argv.flatMap((arg, index) => named(`argument ${index}`, arg)),
    ...(cwd === '' ? ['the working directory is empty'] : named('the working directory', cwd ?? '')),
    ...Object.entries(env).flatMap(([name, value]) =>
      isName(name)
        ? named(`the variable ${JSON.stringify(name)}`, value)
        : [`${JSON.stringify(name)} cannot be the name of a variable`],
    ),
  ]
  return problem
}

/** Half a surrogate pair has no UTF-8: it would silently arrive as another character. */
function unencodable(text: string): string | null {
  if (text.includes('\0')) return 'contains a NUL byte'
  if (/\p{Surrogate}/u.test(text)) return 'contains half of a surrogate pair'
  return null
}

export function posixQuote(word: string): string {
  if (/^[A-Za-z0-9_/.:@%+,-]+$/.test(word)) return word
  return `'${word.replaceAll("'", "'\\''")}'`
}

/**
 * `-P` because a process started in `a/link/..` is where the kernel says, not where the text says. The `./` keeps
 * `-` (the previous directory) and CDPATH out.
 */
export function posixMove(directory: string): string {
  return `cd -P ${posixQuote(directory.startsWith('/') ? directory : `./${directory}`)}`
}

/** `env` sets what the shell's own assignment cannot: names that are no identifiers, and bash's read-only ones. */
export function posixExec({ argv, env = {} }: Command): string {
  const [program = '', ...args] = argv
  const assignments = Object.entries(env).map(([name, value]) => posixQuote(`${name}=${value}`))
  const words = [posixProgram(program), ...args.map(posixQuote)]
  if (assignments.length > 0) words.unshift('env', '--', ...assignments)
  // `exec --` is not known to every dash, and env takes a program with an equals sign for one more variable.
  if (/^-|=/.test(program)) words.splice(words.length - argv.length, 0, 'nice', '-n', '0', '--')
  return ['exec', ...words].join(' ')
}

/** Quoted where it would be a reserved word, an alias or an assignment: `exec if` is no command in some shells. */
const posixProgram = (program: string): string =>
  /^[/.]/.test(program) ? posixQuote(program) : `'${program.replaceAll("'", "'\\''")}'`

/** PowerShell takes the typographic single quotes for single quotes too; doubled, each stands for itself. */
const pwshQuote = (word: string): string => `'${word.replaceAll(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`

/** The variable provider drops a variable that is set to an empty text, the .NET call does not on Unix. */
const pwshSetEnv = ([name, value]: [string, string]): string =>
  `[System.Environment]::SetEnvironmentVariable(${pwshQuote(name)}, ${pwshQuote(value)}, 'Process')`

/** Escaped by the rules of the C runtime, because these versions pass quotes on as they stand and lose empty words. */
function legacyArgument(arg: string): string {
  if (arg === '') return '""'
  const escaped = arg.replaceAll(/(\\*)"/g, '$1$1\\"')
  // With blanks in it PowerShell puts quotes around the word, and a last backslash would escape the closing one.
  return /\s/.test(arg) ? escaped.replace(/(\\+)$/, '$1$1') : escaped
}
