/**
 * Git runs what the configuration of a submodule names, and enters submodules without asking whose they are, although it
 * asks that of every other repository.
 */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, enter, placeOf, type Repo } from './git.ts'

const LOOK = `
for path do
  git=$path/.git around=$path
  # Whoever owns a folder on the way there can put another submodule in its place.
  while case $around in */*) ;; *) false ;; esac; do
    around=\${around%/*}
    [ ! -e "$around" ] || { [ -O "$around" ] && [ ! -L "$around" ]; } || { echo foreign; continue 2; }
  done
  [ -e "$git" ] || { echo none; continue; }
  if [ -f "$git" ]; then
    to=$(sed -n 's/^gitdir: //p' "$git"); case $to in /*) git=$to ;; *) git=$path/$to ;; esac
  fi
  if [ -O "$path" ] && [ -O "$path/.git" ] && [ -O "$git" ]; then echo own; else echo foreign; fi
done
`

/** Those among `paths` that are there. Throws where one belongs to another user than the checkout around it. */
export async function ownSubmodules(
  ctx: StepContext,
  repo: Repo,
  paths: readonly string[],
): Promise<{ at: string; module: Repo }[]> {
  const all = paths.map(at => ({ at, module: { ...repo, path: `${repo.path}/${at}` } }))
  if (all.length === 0 || !ctx.hasShell) return all
  const argv = enter(repo, ['sh', '-c', LOOK, 'hostops-modules', ...paths])
  const { stdout } = await ctx.exec({ argv, ...placeOf(repo), repeatable: true, quiet: true })
  const seen = stdout.split('\n')
  const foreign = all.find((_, at) => seen[at] !== 'own' && seen[at] !== 'none')
  if (foreign !== undefined) throw refusal(repo, foreign.module.path)
  return all.filter((_, at) => seen[at] === 'own')
}

const FOREIGN = 'find "$1/" -name objects -prune -o -type d ! -user "$(id -u)" -print 2>/dev/null | head -n 1'

/** One that is not in the work tree may have a repository below .git all the same, and is filled from there. */
export async function requireOwnRepositories(ctx: StepContext, repo: Repo): Promise<void> {
  if (!ctx.hasShell) return
  const modules = await ask(ctx, repo, ['rev-parse', '--git-path', 'modules'])
  const argv = enter(repo, ['sh', '-c', FOREIGN, 'hostops-modules', modules])
  const { stdout } = await ctx.exec({ argv, ...placeOf(repo), repeatable: true, quiet: true })
  const [foreign = ''] = stdout.split('\n')
  if (foreign !== '') throw refusal(repo, foreign.startsWith('/') ? foreign : `${repo.path}/${foreign}`)
}

const refusal = ({ owner }: Repo, path: string) =>
  new Failed({
    code: 'foreign-checkout',
    path,
    owner: owner === undefined ? 'the user that hostops runs as' : `uid ${owner.uid}`,
    user: '',
    why: 'submodule',
  })
