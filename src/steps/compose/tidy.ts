/** The ways back of older runs go, nothing else does: names of our own making, folders of our own making. */

import type { StepContext } from '../step.ts'
import { LOOKING } from './compose.ts'
import type { KeptStack } from './images.ts'

const OURS = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

/** Of this stack and this user; the newest `keep` stay, the present run among them. */
export async function forgetOld(ctx: StepContext, kept: KeptStack, keep: number): Promise<void> {
  if (kept.folder === null) return
  // <base>/<stack>/<run>/<part>
  const stack = kept.folder.split('/').slice(0, -2).join('/')
  const listed = await ctx.exec({ argv: ['ls', '-1t', stack], ...LOOKING })
  const runs = listed.stdout.split('\n').filter(name => OURS.test(name))
  const own = kept.folder.split('/').at(-2)
  for (const run of runs.slice(keep)) {
    if (run !== own) await forget(ctx, kept, `${stack}/${run}`, run)
  }
}

async function forget(ctx: StepContext, kept: KeptStack, folder: string, run: string): Promise<void> {
  const format = '{{.Repository}}:{{.Tag}}'
  const listed = await ctx.exec({ argv: ['docker', 'image', 'ls', '--format', format], ...LOOKING })
  const prefix = `hostops/rollback/${kept.project.toLowerCase()}-`
  const old = listed.stdout.split('\n').filter(name => {
    const tag = name.slice(name.indexOf(':') + 1)
    return name.startsWith(prefix) && (tag === run || tag.replace(/-\d+$/, '') === run)
  })
  // An image that a container runs keeps its name: the engine refuses, and that is right.
  for (const name of old) await ctx.exec({ argv: ['docker', 'rmi', name], quiet: true })
  await ctx.exec({ argv: ['rm', '-rf', '--', folder], quiet: true })
}
