/** What `compose.up` would find and do, seen without touching anything. */

import { createHash } from 'node:crypto'
import type { Loss } from '../../failure.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import { findDrifted, hashesOf } from './drift.ts'
import { type KeptImage, seeImages } from './image-pins.ts'
import { holdingsIn, lossesOf } from './keep-stack.ts'
import { jsonOf, type Project } from './project.ts'
import { leftovers } from './repair.ts'
import { mountedFiles } from './saved-files.ts'
import type { Replica } from './stability.ts'

type Given = Stack & { services: readonly string[]; removeOrphans: boolean; allowLoss: boolean }

export async function checkUp(ctx: StepContext, input: Given): Promise<CheckFinding[]> {
  const { stack, images, variables, project, replicas, rendered } = await seeImages(
    ctx,
    input,
    input.services,
    'reach',
  )
  const hashes = await hashesOf(ctx, stack, rendered)
  const others = new Set((await findDrifted(ctx, stack, replicas, hashes)).map(each => each.service))
  const losses = lossesOf(holdingsIn(images, replicas, variables), jsonOf(rendered))
  return [
    ...lossFindings(canonicalPath(input.dir), losses, input.allowLoss),
    ...leftovers(replicas).map(({ replica, name }) => ({
      text: `${replica.name} is left of an interrupted replacement and will be ${name === null ? 'removed' : `renamed to ${name}`}`,
      seen: { leftover: replica.name },
    })),
    ...images.map(image => serviceFinding(image, project, others.has(image.service))),
    ...orphans(project, replicas).map(({ name, service }) => ({
      text: `${name} belongs to no service of the compose file (it was ${service}) and ${input.removeOrphans ? 'will be removed' : 'stays: removeOrphans would remove it'}`,
      seen: { orphan: name },
    })),
    await configuration(ctx, rendered),
  ]
}

function lossFindings(dir: string, losses: Loss[], allowed: boolean): CheckFinding[] {
  if (losses.length === 0) return []
  const all = losses.map(({ service, what }) => `${service} would lose ${what}`)
  const failure = { code: 'would-lose', dir, losses } as const
  return [{ text: all.join(', '), seen: { losses: all }, ...(allowed ? {} : { failure }) }]
}

function serviceFinding({ service, running }: KeptImage, project: Project, differs: boolean): CheckFinding {
  const seen = { service, running }
  if (running.length === 0) return { text: `${service}: no container yet, rollback: none available`, seen }
  const inFile = project.reach.find(each => each.name === service)?.replicas ?? 0
  const count = `${running.length === 1 ? '1 container' : `${running.length} containers`}${running.length === inFile ? '' : `, the compose file says ${inFile}`}`
  const replaced = differs ? ', will be replaced: a compose or env file was edited after it was made' : ''
  return { text: `${service}: ${count}${replaced}`, seen }
}

const orphans = ({ services, apart, reach }: Project, replicas: readonly Replica[]): Replica[] => {
  const known = new Set([...services, ...reach].map(({ name }) => name).concat(apart))
  return replicas.filter(({ service }) => !known.has(service))
}

/** All that the stack is made of, in whatever files it stands: a plan is for what the check has seen. */
async function configuration(ctx: StepContext, rendered: string): Promise<CheckFinding> {
  const hash = createHash('sha256').update(rendered)
  const files = mountedFiles(rendered)
  if (files.length > 0 && ctx.hasShell)
    hash.update((await ctx.exec({ argv: ['cksum', '--', ...files], ...LOOKING })).stdout)
  const digest = hash.digest('hex')
  return {
    text: `configuration ${digest.slice(0, 12)}, with all files that it is made of`,
    seen: { configuration: digest },
  }
}
