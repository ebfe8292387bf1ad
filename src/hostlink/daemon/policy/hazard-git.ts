/** What git can be made to run and to write, beyond what its subcommand says. */

import { type Globals, readGlobals, words } from '../../leading-options.ts'
import { beyondForm, type Place } from './forms.ts'
import { GIT_FORMS } from './forms-git.ts'
import { lossHazards } from './hazard-git-loss.ts'
import { abbreviates, type Hazard, hazard } from './hazard-words.ts'

/** git takes none of these abbreviated, and no letters in one word. */
const GLOBALS: Globals = {
  flags: words(`-p -P --paginate --no-pager --bare --no-replace-objects --literal-pathspecs --glob-pathspecs
    --noglob-pathspecs --icase-pathspecs --no-optional-locks --no-lazy-fetch --no-advice --html-path --man-path
    --info-path --exec-path -v --version -h --help`),
  values: words('-C -c --git-dir --work-tree --namespace --super-prefix --config-env --attr-source'),
}
const RUNS_COMMANDS = words('-c --config-env --exec-path')
const LEADS_ELSEWHERE = words('-C --git-dir --work-tree')

/** Long options that name a program to run, a file to write, or settings that do. git takes any abbreviation. */
const DANGEROUS_OPTIONS = [
  '--upload-pack',
  '--receive-pack',
  '--exec',
  '--extcmd',
  '--ext-diff',
  '--open-files-in-pager',
  '--config',
  '--config-env',
  '--template',
  '--output',
  '--output-directory',
  '--sendmail-cmd',
  '--smtp-server',
  '--tool',
  '--separate-git-dir',
  '--unsafe-paths',
  '--export-marks',
  '--in-place',
]
/** The same in one letter, by subcommand. */
const DANGEROUS_LETTERS: Readonly<Record<string, string>> = {
  clone: 'uc',
  rebase: 'x',
  difftool: 'xt',
  mergetool: 't',
  grep: 'O',
  'ls-remote': 'u',
  'format-patch': 'o',
  archive: 'o',
}

/** Subcommands that are ways to run programs. */
const RUNNERS =
  words(`bisect filter-branch difftool mergetool daemon shell send-email imap-send instaweb gui citool
  hook remote-ext remote-fd credential cvsserver svn p4 maintenance fast-import http-backend fsmonitor--daemon`)

/** Subcommands whose plain arguments are files or folders that they write, wherever these are. */
const FILE_WRITERS = words('bundle checkout-index clone index-pack merge-file pack-objects')

const READS_CONFIG = /^(--get(-all|-regexp|-urlmatch|-color|-colorbool)?|--list|-l|get|list)$/

export function gitHazards(argv: readonly string[], place: Place): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, 1, GLOBALS)
  const found: Hazard[] = []
  for (const { name, index, known } of options) {
    const sets = name === '--exec-path' ? argv[index] !== '--exec-path' : RUNS_COMMANDS.has(name)
    if (!known) found.push(hazard(argv, [index], `git ${name} is not an option known here`))
    else if (sets) found.push(hazard(argv, [index], `git ${name} can make git run any program`))
    else if (place.isBound && LEADS_ELSEWHERE.has(name)) {
      found.push(hazard(argv, [index], `git ${name} leads out of the rule's workdir`))
    }
  }
  const subcommand = argv[at]
  if (subcommand === undefined) return found
  return [
    ...found,
    ...optionHazards(argv, at, subcommand),
    ...lossHazards(argv, at, subcommand),
    ...subcommandHazards(argv, at, subcommand),
    ...beyondForm(argv, at, GIT_FORMS.get(subcommand), place, `git ${subcommand}`),
  ]
}

function subcommandHazards(argv: readonly string[], at: number, subcommand: string): Hazard[] {
  const rest = argv.slice(at + 1)
  const action = (verb: RegExp, why: string): Hazard[] => {
    const index = rest.findIndex(word => verb.test(word))
    return index < 0 ? [] : [hazard(argv, [at, at + 1 + index], `git ${subcommand} ${rest[index]} ${why}`)]
  }
  switch (subcommand) {
    case 'config':
      // Only the first word decides: further behind, `get` is a value or a pattern like any other.
      if (READS_CONFIG.test(rest[0] ?? '')) return []
      return [hazard(argv, [at], 'git config can set programs that git runs')]
    case 'submodule':
      return action(/^foreach$/, 'runs any program')
    case 'worktree':
      return action(/^(add|move)$/, 'can write any folder')
    case 'remote':
      return action(/^(set-url|rename|remove|rm)$/, 'changes where the code comes from')
  }
  if (RUNNERS.has(subcommand)) return [hazard(argv, [at], `git ${subcommand} can run any program`)]
  if (FILE_WRITERS.has(subcommand)) return [hazard(argv, [at], `git ${subcommand} can write any file`)]
  // What has no form below has to be spelled out anyway: it may be an alias for anything.
  return []
}

function optionHazards(argv: readonly string[], at: number, subcommand: string): Hazard[] {
  const letters = DANGEROUS_LETTERS[subcommand]
  const bundle = letters === undefined ? null : new RegExp(`^-[A-Za-z]*[${letters}]`)
  const found: Hazard[] = []
  for (let index = at + 1; index < argv.length; index += 1) {
    const word = argv[index]!
    if (DANGEROUS_OPTIONS.some(option => abbreviates(word, option)) || bundle?.test(word)) {
      found.push(
        hazard(argv, [index], `git ${subcommand} ${word.split('=')[0]} can run a program or write any file`),
      )
    } else if (abbreviates(word, '--no-index')) {
      found.push(hazard(argv, [index], `git ${subcommand} --no-index reads any file of the host`))
    } else if (/(^|[^A-Za-z0-9])(ext|fd)::/i.test(word)) {
      found.push(hazard(argv, [index], 'an ext:: or fd:: address runs any program'))
    }
  }
  return found
}
