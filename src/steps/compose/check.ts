/** What `compose.up` would find and do, seen without touching anything. */
import { createHash } from 'node:crypto'
import { canonicalPath } from '../fields.ts'
import { lines } from '../plain-text.ts'
import type { CheckFinding, StepContext } from '../step.ts'
import { composeArgv, LOOKING, type Stack } from './compose.ts'
import { type KeptImage, seeImages } from './images.ts'
import { mountedFiles } from './keep.ts'
import { type Project, withProfiles } from './project.ts'
import { leftovers } from './repair.ts'
import type { Replica } from './stability.ts'

type Given = Stack & { services: readonly string[]; removeOrphans: boolean }

export async function checkUp(ctx: StepContext, input: Given): Promise<CheckFinding[]> {
  const [{ images, project, replicas, rendered }, hashes] = await Promise.all([
    seeImages(ctx, input, input.services, 'reach'),
    configHashes(ctx, input),
  ])
  const differs = (service: string) =>
    hashes.has(service) &&
    replicas.some(each => each.service === service && each.config !== hashes.get(service))
  return [
    ...leftovers(replicas).map(({ replica, name }) => ({
      text: `${replica.name} is left of an interrupted replacement and will be ${name === null ? 'removed' : `renamed to ${name}`}`,
      seen: { leftover: replica.name },
    })),
    ...images.map(image => serviceFinding(image, project, differs(image.service))),
    ...orphans(project, replicas).map(({ name, service }) => ({
      text: `${name} belongs to no service of the compose file (it was ${service}) and ${input.removeOrphans ? 'will be removed' : 'stays: removeOrphans would remove it'}`,
      seen: { orphan: name },
    })),
    await configuration(ctx, rendered),
  ]
}

function serviceFinding({ service, running }: KeptImage, project: Project, differs: boolean): CheckFinding {
  const seen = { service, running }
  if (running.length === 0) return { text: `${service}: no container yet, rollback: none available`, seen }
  const inFile = project.reach.find(each => each.name === service)?.replicas ?? 0
  const count = `${running.length === 1 ? '1 container' : `${running.length} containers`}${running.length === inFile ? '' : `, the compose file says ${inFile}`}`
  const replaced = differs ? ', will be replaced: the compose file configures it otherwise now' : ''
  return { text: `${service}: ${count}${replaced}`, seen }
}

const orphans = ({ services, apart, reach }: Project, replicas: readonly Replica[]): Replica[] => {
  const known = new Set([...services, ...reach].map(({ name }) => name).concat(apart))
  return replicas.filter(({ service }) => !known.has(service))
}

/**
 * By service, as compose writes them to the labels of the containers that it makes: of the rendered configuration, where
 * env files are environment already. Nothing is claimed where that cannot be asked.
 */
async function configHashes(ctx: StepContext, input: Given): Promise<Map<string, string>> {
  if (ctx.platform !== 'posix') return new Map()
  const dir = canonicalPath(input.dir)
  const prefix = composeArgv(withProfiles(input, input.services), [])
  const done = await ctx.exec({
    argv: ['sh', '-c', HASHES, 'hostops-hashes', dir, ...prefix],
    cwd: dir,
    ...LOOKING,
  })
  return new Map(lines(done.stdout).map(line => line.split(' ') as [string, string]))
}

const HASHES = `
dir=$1; shift
"$@" config --format json | docker compose -f - --project-directory "$dir" --profile '*' config --hash '*'
`

/** All that the stack is made of, in whatever files it stands: a plan is for what the check has seen. */
async function configuration(ctx: StepContext, rendered: string): Promise<CheckFinding> {
  const hash = createHash('sha256').update(rendered)
  const files = mountedFiles(rendered)
  if (files.length > 0 && ctx.platform === 'posix')
    hash.update((await ctx.exec({ argv: ['cksum', '--', ...files], ...LOOKING })).stdout)
  const digest = hash.digest('hex')
  return {
    text: `configuration ${digest.slice(0, 12)}, with all files that it is made of`,
    seen: { configuration: digest },
  }
}
