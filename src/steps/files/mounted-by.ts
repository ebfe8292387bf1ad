/** Which containers use a folder of the host: by their mounts, whatever stack they belong to. */
import { Failed } from '../../failure.ts'
import { docker } from '../compose/compose.ts'
import { jsonOf } from '../compose/project.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { isBelow, isIn } from '../stack/paths.ts'

export type Mounter = {
  id: string
  name: string
  /** True while it is paused or restarted as well. */
  running: boolean
  paused: boolean
  /** May write the folder. */
  writes: boolean
  /** Would go on with the old folder where another one takes its name. */
  holds: boolean
}

const FORMAT = '{{.Id}}\t{{.Name}}\t{{.State.Running}}\t{{.State.Paused}}\t{{json .Mounts}}'

/** Stopped ones included. None where there is no engine at all. */
export async function mountersOf(ctx: StepContext, real: string): Promise<Mounter[]> {
  const ids = await containerIds(ctx)
  if (ids.length === 0) return []
  // One that is gone by now is left out, and makes the command fail.
  const done = await ctx.exec({
    argv: ['docker', 'inspect', '--type', 'container', '--format', FORMAT, ...ids],
    ...LOOKING,
  })
  const containers = lines(done.stdout).map(line => {
    const [id = '', name = '', running, paused, mounts = ''] = line.split('\t')
    return {
      ...{ id, name: name.slice(1), running: running === 'true', paused: paused === 'true' },
      mounts: (jsonOf(mounts) ?? []) as Mount[],
    }
  })
  const places = await resolved(
    ctx,
    containers.flatMap(({ mounts }) => mounts.map(each => each.Source)),
  )
  return containers.flatMap(({ mounts, ...container }) => {
    const those = mounts.filter(({ Source }) => meets(places.real(Source), real))
    if (those.length === 0 || container.id === places.ownId) return []
    const isHeld = those.some(({ Source }) => isIn(places.real(Source), [real]))
    const writes = those.some(({ RW }) => RW)
    return [{ ...container, writes, holds: writes || isHeld }]
  })
}

type Mount = { Source: string; RW: boolean }

const meets = (one: string, other: string) => one !== '' && (isIn(one, [other]) || isBelow(other, [one]))

async function containerIds(ctx: StepContext): Promise<string[]> {
  try {
    return lines((await docker(ctx, '/', ['ps', '-aq', '--no-trunc'], LOOKING)).stdout)
  } catch (error) {
    if (error instanceof Failed && error.failure.code === 'command-not-started') return []
    throw error
  }
}

/** The first line: the container that this runs in, which must never pause or stop itself. */
const RESOLVE = `
awk '$5 == "/etc/hostname" { print $4 }' /proc/self/mountinfo 2>/dev/null | tr '\\n' ' '; echo
for each do
  real=$(readlink -f -- "$each"); case $real in *[[:cntrl:]]*) real= ;; esac
  echo "$real"
done
`

async function resolved(ctx: StepContext, sources: readonly string[]) {
  const all = [...new Set(sources)].filter(source => source.startsWith('/'))
  const argv = ['sh', '-c', RESOLVE, 'hostops-mounts', ...all]
  const [own = '', ...found] = (await ctx.exec({ argv, ...LOOKING })).stdout.split('\n')
  const real = new Map(all.map((source, at) => [source, found[at] ?? '']))
  return { ownId: /[0-9a-f]{64}/.exec(own)?.[0], real: (source: string) => real.get(source) ?? '' }
}
