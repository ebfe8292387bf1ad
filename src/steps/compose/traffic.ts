/** The command that moves the traffic, and whether it was begun: only then is there something to move back. */

import { succeed } from '../command/run-command.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import type { KeptStack } from './image-pins.ts'

type Mover = (env: Record<string, string>) => Promise<void>
type Given = { dir: string; switch?: string[] | undefined }

/** Null where nobody has to be told. */
export function trafficMover(ctx: StepContext, given: Given, kept: KeptStack | null): Mover | null {
  const argv = given.switch
  if (argv === undefined) return null
  const mark = kept === null ? null : markIn(ctx, kept)
  return async env => {
    if (mark !== null) await ctx.exec({ argv: ['touch', mark], quiet: true, repeatable: true })
    await succeed(ctx, { argv, env, cwd: canonicalPath(given.dir) })
  }
}

/** Where nothing can be kept nobody knows, and it may have been. */
export async function wasMoved(ctx: StepContext, given: Given, kept: KeptStack): Promise<boolean> {
  if (given.switch === undefined) return false
  const mark = markIn(ctx, kept)
  return mark === null || (await ctx.exec({ argv: ['test', '-e', mark], ...LOOKING })).code === 0
}

const markIn = ({ stepId }: StepContext, { folder }: KeptStack) =>
  folder === null ? null : `${folder}/moved-${stepId}`
