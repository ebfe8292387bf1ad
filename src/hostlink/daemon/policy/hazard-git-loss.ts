/** What git can be made to lose: work that is in no commit, and commits that nothing else holds. */
import { abbreviates, type Hazard, hazard, lettersOf, plainWords } from './hazard-words.ts'

const WORK = 'throws away work'
const COMMITS = 'can lose commits'
const REMOTE = 'can lose commits of the remote'

/** What a subcommand loses whatever its arguments, with one of these options, or with one of these actions. */
type Loss = {
  readonly loses: string
  readonly always?: true
  readonly options?: readonly string[]
  /** The one-letter forms of the options. */
  readonly letters?: string
  /** Letters whose value may follow in the same word. */
  readonly withValue?: string
  readonly actions?: RegExp
}

const LOSSES: Readonly<Record<string, readonly Loss[]>> = {
  clean: [{ loses: 'deletes files', always: true }],
  reset: [{ loses: WORK, options: ['--hard', '--merge'] }],
  'read-tree': [{ loses: WORK, options: ['--reset'] }],
  checkout: [
    { loses: WORK, options: ['--force', '--pathspec-from-file'], letters: 'f', withValue: 'bB' },
    { loses: COMMITS, letters: 'B', withValue: 'b' },
  ],
  switch: [
    { loses: WORK, options: ['--force', '--discard-changes'], letters: 'f', withValue: 'cC' },
    { loses: COMMITS, options: ['--force-create'], letters: 'C', withValue: 'c' },
  ],
  rm: [{ loses: WORK, options: ['--force'], letters: 'f' }],
  mv: [{ loses: WORK, options: ['--force'], letters: 'f' }],
  stash: [{ loses: WORK, actions: /^(drop|clear)$/ }],
  submodule: [{ loses: WORK, options: ['--force', '--all'], letters: 'f' }],
  worktree: [{ loses: WORK, actions: /^remove$/ }],
  branch: [{ loses: COMMITS, options: ['--force'], letters: 'DMCf', withValue: 'u' }],
  tag: [{ loses: COMMITS, options: ['--force', '--delete'], letters: 'fd', withValue: 'mFu' }],
  fetch: [{ loses: COMMITS, options: ['--force'], letters: 'f', withValue: 'jo' }],
  pull: [{ loses: COMMITS, options: ['--force'], letters: 'f', withValue: 'josX' }],
  push: [
    {
      loses: REMOTE,
      options: ['--force', '--force-with-lease', '--mirror', '--delete', '--prune'],
      letters: 'fd',
      withValue: 'o',
    },
  ],
  prune: [{ loses: COMMITS, always: true }],
  gc: [{ loses: COMMITS, options: ['--prune'] }],
  repack: [{ loses: COMMITS, letters: 'd' }],
  reflog: [{ loses: COMMITS, actions: /^(expire|delete|drop)$/ }],
}

export function lossHazards(argv: readonly string[], at: number, subcommand: string): Hazard[] {
  const losses = Object.hasOwn(LOSSES, subcommand) ? LOSSES[subcommand]! : []
  return [...losses.flatMap(loss => lossesBy(loss, argv, at)), ...inWords(argv, at, subcommand)]
}

function lossesBy(loss: Loss, argv: readonly string[], at: number): Hazard[] {
  const { loses, always, options = [], letters = '', withValue = '', actions } = loss
  const command = `git ${argv[at]}`
  if (always) return [hazard(argv, [at], `${command} ${loses}`)]
  return argv.flatMap((word, index) => {
    if (index <= at) return []
    const option = options.find(each => abbreviates(word, each))
    const letter = [...lettersOf(word, withValue)].find(each => letters.includes(each))
    const name = option ?? (letter === undefined ? undefined : `-${letter}`)
    if (name === undefined && !actions?.test(word)) return []
    return [hazard(argv, [at, index], `${command} ${name ?? word} ${loses}`)]
  })
}

/** What plain words do. A lone word behind `checkout` may be a file, too: that one cannot be told from a branch. */
function inWords(argv: readonly string[], at: number, subcommand: string): Hazard[] {
  const named = (why: string, isMeant: (word: string) => boolean): Hazard[] =>
    argv.flatMap((word, index) => (index > at && isMeant(word) ? [hazard(argv, [at, index], why)] : []))
  switch (subcommand) {
    case 'restore': {
      const letters = argv
        .slice(at + 1)
        .map(word => lettersOf(word, 's'))
        .join('')
      const has = (long: string, letter: string) =>
        letters.includes(letter) || argv.some((word, index) => index > at && abbreviates(word, long))
      const isSafe = has('--staged', 'S') && !has('--worktree', 'W')
      return isSafe ? [] : [hazard(argv, [at], `git restore ${WORK}`)]
    }
    case 'checkout': {
      if (argv.slice(at + 1).some(word => /^-[A-Za-z]*[bB]|^--orphan/.test(word))) return []
      const files = argv.indexOf('--', at + 1)
      const isSecond = plainWords(argv, at).length > 1
      const takesFiles = isSecond || (files > 0 && files < argv.length - 1)
      const why = `git checkout of files ${WORK}`
      return takesFiles
        ? [hazard(argv, wordsBehind(argv, at), why)]
        : named(why, word => /^(\.|:|.*[*?[])/.test(word))
    }
    case 'push':
      return named(`git push of a + or : ${REMOTE}`, word => /^[+:]./.test(word))
    case 'fetch':
    case 'pull':
      return named(`git ${subcommand} of a + into a branch ${COMMITS}`, word => /^\+.*:/.test(word))
    default:
      return []
  }
}

/** All of them: which one is the file depends on what is in the repository. */
const wordsBehind = (argv: readonly string[], at: number): number[] =>
  argv.map((_, index) => index).filter(index => index >= at)
