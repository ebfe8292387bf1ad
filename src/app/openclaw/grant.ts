/** A grant of one playbook, with every input fixed but those that the agent may choose. Pure. */
import type { DescribedInput } from '../../playbook/describe.ts'

type GrantedPlaybook = { name: string; digest: string; inputs: readonly DescribedInput[] }
export type Grant = { name: string; digest: string; pinned: Record<string, unknown> }

/** A text: why it cannot be granted. `pins`: values as they were typed. */
export function grantOf(
  { name, digest, inputs }: GrantedPlaybook,
  pins: Readonly<Record<string, string>>,
  free: readonly string[],
): Grant | string {
  const pinned: Record<string, unknown> = {}
  const missing: string[] = []
  for (const input of inputs) {
    const isGiven = Object.hasOwn(pins, input.name)
    // A pin of the owner's counts, even if the input is free by default.
    if (free.includes(input.name) && !isGiven) continue
    // The host's settings give it, and nobody else may.
    if (input.type === 'secret' && input.from === 'pinned' && !isGiven) continue
    const value = isGiven ? typed(pins[input.name]!, input) : defaultOf(input, pinned)
    if (value === undefined) missing.push(input.name)
    else pinned[input.name] = value
  }
  if (missing.length === 0) return { name, digest: `sha256:${digest}`, pinned }
  const pinsOf = missing.map(input => `--pin ${input}=...`).join(' ')
  return `${name}: inputs without a value: pin them (${pinsOf}) or let the agent choose (--free ${missing[0]})`
}

/** If the default is the value of another input, that value. */
function defaultOf(
  { type, from, value }: DescribedInput,
  pinned: Readonly<Record<string, unknown>>,
): unknown {
  // Its value is not told, so that it cannot be fixed.
  if (type === 'secret') return undefined
  if (from !== 'default' && from !== 'settings' && from !== 'pinned') return undefined
  if (typeof value !== 'string' || !value.includes('${{')) return value
  const other = /^\$\{\{ *inputs\.(\w+) *\}\}$/.exec(value)?.[1]
  return other !== undefined && Object.hasOwn(pinned, other) ? pinned[other] : undefined
}

function typed(text: string, { type }: DescribedInput): unknown {
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  if ((type === 'integer' || type === 'number') && Number.isFinite(Number(text))) return Number(text)
  return text
}
