/** What differs between two commits, also where the .gitmodules of the working tree is one that git refuses to read. */
import type { StepContext } from '../contract/step.ts'
import { ask, type Repo, readGit } from './git.ts'

/** `raw`: as of `diff-tree --raw`. `modulesWork`: whether git's submodule commands can be used there. */
export async function treeDiff(
  ctx: StepContext,
  repo: Repo,
  from: string,
  to: string,
): Promise<{ raw: string; modulesWork: boolean }> {
  const args = ['diff-tree', '-r', '--raw', '--no-renames', '--no-abbrev']
  // A file can have the name of a commit.
  const range = [from, to, '--']
  const [plain, whole] = await Promise.all([
    readGit(ctx, repo, [...args, ...range]),
    // Settings and .gitmodules can have submodules left out.
    readGit(ctx, repo, [...args, '--ignore-submodules=none', ...range]),
  ])
  if (plain.code === 0 && whole.code === 0 && !whole.truncated.stdout)
    return { raw: whole.stdout, modulesWork: true }
  const [before, after] = [await entriesOf(ctx, repo, from), await entriesOf(ctx, repo, to)]
  const raw = [...new Set([...before.keys(), ...after.keys()])].flatMap(name => {
    const [old, now] = [before.get(name) ?? ABSENT, after.get(name) ?? ABSENT]
    return old.text === now.text ? [] : [`:${old.mode} ${now.mode} ${old.sha} ${now.sha} M\t${name}`]
  })
  return { raw: raw.join('\n'), modulesWork: false }
}

const ABSENT = { mode: '000000', sha: '0'.repeat(40), text: '' }

async function entriesOf(ctx: StepContext, repo: Repo, sha: string) {
  const listed = await ask(ctx, repo, ['ls-tree', '-r', '--full-tree', sha])
  return new Map(
    listed.split(/\r?\n/).flatMap(line => {
      const [text = '', name] = line.split('\t')
      const [mode = '', , sha = ''] = text.split(' ')
      return name === undefined ? [] : [[name, { mode, sha, text }] as const]
    }),
  )
}
