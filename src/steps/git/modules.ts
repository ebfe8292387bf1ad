/** The .gitmodules of a commit, judged before HEAD moves there: a bad one makes `git status` fail from then on. */
import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { attributesBy } from './attributes.ts'
import { type Repo, readGit } from './git.ts'

/** False when the commit has no submodules. */
export async function requireSafeModules(ctx: StepContext, repo: Repo, sha: string): Promise<boolean> {
  const entry = await readGit(ctx, repo, ['ls-tree', sha, '.gitmodules'])
  if (entry.code !== 0 || entry.stdout.trim() === '') return false
  const refuse = (problems: string[]) =>
    new Failed({ code: 'modules-unsafe', repo: repo.path, sha, problems: problems.slice(0, 10) })
  if (!entry.stdout.startsWith('100')) throw refuse(['it is not a regular file'])
  if (await isRecoded(ctx, repo, sha)) throw refuse(['the work tree gets another text than the commit has'])
  const settings = ['config', `--blob=${sha}:.gitmodules`, '--get-regexp', '^(submodule|fetch)\\.']
  const read = await readGit(ctx, repo, settings)
  // git ends with 0 after a syntax error as well, with what it had read before.
  const wrong = lines(read.stderr).find(line => /^(error|fatal): /.test(line))
  if (read.code > 1 || wrong !== undefined) throw refuse([wrong ?? 'git cannot read it'])
  const odd = await readGit(ctx, repo, [...settings, '[[:cntrl:]]'])
  if (odd.code === 0) throw refuse(['a value with a line break or another control character'])
  const problems = problemsOf(read.stdout)
  if (problems.length > 0) throw refuse(problems)
  return true
}

/** What is judged is what is stored; what git obeys is the file in the work tree. */
async function isRecoded(ctx: StepContext, repo: Repo, sha: string): Promise<boolean> {
  const { stdout } = await readGit(ctx, repo, ['ls-tree', sha, '.gitattributes'])
  // Git reads the text of a link of that name, too.
  const [, oid] = /^1[02]0\d{3} blob ([0-9a-f]+)\t/.exec(stdout) ?? []
  if (oid === undefined || !ctx.hasShell) return false
  const set = await attributesBy(ctx, repo, [{ name: '.gitattributes', oid }], ['.gitmodules'])
  return set === null || set.some(({ attribute }) => attribute === 'working-tree-encoding')
}

const BOOLEAN = /^(true|false|yes|no|on|off|0|1)$/i

/** Git drops some at the end of what it writes itself, and then finds another submodule. */
const CONTROL = /[\u0000-\u001f\u007f]/

/** What git accepts of each setting and cannot be misled by. Others it does not read from this file. */
const SAFE: Readonly<Record<string, (value: string) => boolean>> = {
  update: value => /^(checkout|rebase|merge|none)$/.test(value),
  url: value =>
    value !== '' && !/^-|^[\w+.-]*::|^[\w+.-]+:\/\/([^/]*@)?-|^[^/:]*@-/.test(value) && !CONTROL.test(value),
  path: value => value !== '' && !/^[-/\\]|^[A-Za-z]:/.test(value) && !leadsAstray(value),
  branch: value => value !== '' && !value.startsWith('-'),
  shallow: value => BOOLEAN.test(value),
  fetchrecursesubmodules: value => BOOLEAN.test(value) || value === 'on-demand',
  ignore: value => /^(untracked|dirty|all|none)$/.test(value),
}

/** Of no single submodule. With a bad one, each `git fetch` and `git submodule update` fails. */
const SAFE_FOR_ALL: Readonly<Record<string, (value: string) => boolean>> = {
  'submodule.fetchjobs': value => /^\d{1,4}$/.test(value),
  'fetch.recursesubmodules': value => SAFE['fetchrecursesubmodules']!(value),
}

/**
 * Pure; lines of `git config --get-regexp`. A name may hold what looks like the end of a key, so every way to read a line
 * is judged; a line that begins otherwise belongs to a value with a line break.
 */
function problemsOf(text: string): string[] {
  return text.split('\n').flatMap(line => {
    if (line === '') return []
    const [, alone = '', setting = ''] = /^([a-z]+\.[a-z]+)(?: (.*))?$/.exec(line) ?? []
    if (SAFE_FOR_ALL[alone]?.(setting) === false) return [line.slice(0, 200)]
    if (line.startsWith('fetch.')) return []
    if (!line.startsWith('submodule.')) return ['a value with a line break']
    const body = line.slice('submodule.'.length)
    const readings = [...body.matchAll(/\.([A-Za-z][A-Za-z0-9-]*)(?= |$)/g)]
    return readings.flatMap(({ 1: key = '', index }) => {
      const isSafe = SAFE[key.toLowerCase()]
      if (isSafe === undefined) return []
      const name = body.slice(0, index)
      const value = body.slice(index + key.length + 2)
      if (leadsAstray(name) || CONTROL.test(name)) return [`the name ${name.slice(0, 200)}`]
      return isSafe(value) ? [] : [`${name}.${key} = ${value.slice(0, 200)}`]
    })
  })
}

const leadsAstray = (path: string) => path.split(/[\\/]/).some(part => part === '..' || /^\.git$/i.test(part))
