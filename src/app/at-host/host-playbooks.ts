/** The playbooks that a host lets this token run, and what they want. */
import * as z from 'zod'
import type { DescribedInput, ValueOrigin } from '../../playbook/describe.ts'
import { INPUT_NAME } from '../../playbook/playbook-schema.ts'
import { type HostLink, HostRefusal, must, noReply, withRetries } from '../../runs/host-link.ts'
import { once } from '../../steps/contract/once.ts'

export type HostPlaybook = {
  name: string
  description: string | null
  inputs: DescribedInput[]
  /** Why nobody can start it at present. */
  problem: string | null
}

/** Nothing that a host says is believed to have the right shape; the names of inputs are typed by people. */
const playbookSchema = once(() =>
  z.looseObject({
    name: z.string(),
    description: z.string().nullable(),
    inputs: z.array(
      z.looseObject({
        name: z.string().regex(INPUT_NAME),
        type: z.string(),
        description: z.string().nullable(),
        from: z.enum(ORIGINS),
        pattern: z.string().optional(),
        value: scalar(),
        oneOf: z.array(scalar()).optional(),
      }),
    ),
    problem: z.string().nullable(),
  }),
)
const ORIGINS: readonly ValueOrigin[] = ['pinned', 'settings', 'default', 'none', 'caller']
const scalar = () => z.union([z.string(), z.number(), z.boolean(), z.null()])

/** Throws `Failed` if the host does not answer. */
export async function playbooksOf(host: HostLink, signal?: AbortSignal): Promise<HostPlaybook[]> {
  const { playbooks } = must(await withRetries(() => host.ask('playbooks', {}, signal), signal))
  const read = z.array(playbookSchema()).safeParse(playbooks)
  if (read.success) return read.data as HostPlaybook[]
  throw new HostRefusal(
    noReply({ code: 'usage', what: 'unreadable-answer', from: host.target, of: 'its playbooks' }),
  )
}
