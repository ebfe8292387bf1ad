/**
 * `up`, with silence around the replacement of each container. Its port is open some 50 ms before it has a network: a
 * question asked in between makes the kernel look for the container in vain, and not again for a second (ARP), in which no
 * other question is answered either.
 */

import type { StepContext } from '../contract/step.ts'
import { compose, type Stack } from './compose.ts'
import type { Foreign } from './foreign.ts'

/** Cut off half-way it would leave the old container stopped and the new one not started. */
export async function upInSilence(
  ctx: StepContext,
  stack: Stack,
  args: readonly string[],
  foreign?: Foreign,
): Promise<void> {
  let replaced: ReadonlySet<string> = new Set()
  let release: (() => void) | null = null
  const letGo = () => {
    release?.()
    release = null
  }
  const onLine = (line: string) => {
    replaced = replacedAfter(replaced, line)
    if (replaced.size > 0) release ??= ctx.hold()
    else letGo()
  }
  try {
    await compose(ctx, stack, args, { durable: true, onLine }, foreign)
  } finally {
    letGo()
  }
}

/**
 * The containers that are being replaced, by what compose tells. From the first word on, because the start is told just
 * before the port is open, and may be read too late. New ones do not count: nobody who asks knew them before. Pure.
 */
export function replacedAfter(before: ReadonlySet<string>, line: string): ReadonlySet<string> {
  const [, name, state] = /^\s*Container (\S+)\s+(\S+)/.exec(line) ?? []
  if (name === undefined || state === 'Recreated' || state === 'Starting') return before
  const others = [...before].filter(other => other !== name)
  return new Set(state === 'Recreate' ? [...others, name] : others)
}
