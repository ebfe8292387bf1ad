/**
 * Git runs what the configuration of a submodule names, and enters submodules without asking whose they are, although it
 * asks that of every other repository.
 */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../step.ts'
import { enter, placeOf, type Repo } from './git.ts'

const LOOK = `
for path do
  git=$path/.git
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
  if (all.length === 0 || ctx.platform !== 'posix') return all
  const argv = enter(repo, ['sh', '-c', LOOK, 'hostops-modules', ...paths])
  const { stdout } = await ctx.exec({ argv, ...placeOf(repo), repeatable: true, quiet: true })
  const seen = stdout.split('\n')
  const foreign = all.find((_, at) => seen[at] !== 'own' && seen[at] !== 'none')
  if (foreign !== undefined)
    throw new Failed({
      code: 'foreign-checkout',
      path: foreign.module.path,
      owner: repo.owner === undefined ? 'the user that hostops runs as' : `uid ${repo.owner.uid}`,
      user: '',
      why: 'submodule',
    })
  return all.filter((_, at) => seen[at] === 'own')
}
