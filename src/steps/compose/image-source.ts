/** How the image of a service comes to be: built by compose, by a plain `docker build`, or pulled. */

import type { ImageSource } from '../../failure.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import { hasRegistryHost } from './image-name.ts'
import type { Service } from './project.ts'

export type NamedImage = { service: string; image: string | null }

export const namedImages = (services: readonly Service[]): NamedImage[] =>
  services.map(({ name, image }) => ({ service: name, image }))

/** What a step of the wrong kind names as the right one. */
export async function sourceOf(
  ctx: StepContext,
  stack: Stack,
  services: readonly Service[],
): Promise<ImageSource> {
  if (services.some(({ builds }) => builds)) return 'compose'
  const remote = services.some(({ image }) => image !== null && hasRegistryHost(image))
  if (remote) return 'registry'
  return (await isFile(ctx, `${canonicalPath(stack.dir)}/Dockerfile`)) ? 'dockerfile' : 'registry'
}

/** Where there is no POSIX shell nobody can say. */
export async function isFile(ctx: StepContext, path: string): Promise<boolean> {
  if (!ctx.hasShell) return true
  return (await ctx.exec({ argv: ['test', '-f', path], ...LOOKING })).code === 0
}
