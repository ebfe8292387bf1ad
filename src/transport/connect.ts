/** From a target as people write it to a transport. Each kind is loaded only when it is asked for. */
import { nearest } from '../document/nearest.ts'
import { splitTarget } from './target.ts'
import type { Connected, TransportOptions } from './transport.ts'

type NotConnected = Extract<Connected, { ok: false }>

const KINDS = ['local', 'hostlink', 'hostlink:<name>', 'ssh:<destination>', 'node:<name>']

export async function openTransport(target: string, options: TransportOptions): Promise<Connected> {
  const wrong = wrongTarget(target)
  if (wrong !== null) return wrong
  const { kind, rest } = splitTarget(target)
  switch (kind) {
    case 'hostlink': {
      const { connectHostlink } = await import('./hostlink.ts')
      return connectHostlink(rest, options)
    }
    case 'node':
      return badTarget(
        'an OpenClaw node runs the playbooks of its own host only',
        `hostops run NAME --target ${target}`,
      )
    case 'ssh': {
      const { connectSsh } = await import('./ssh.ts')
      return connectSsh(rest ?? '', options)
    }
    default: {
      const { localTransport } = await import('./local.ts')
      return { ok: true, transport: localTransport(options.jobsFolder) }
    }
  }
}

/** What is wrong with the words themselves, found without contacting anything; null: nothing. */
export function wrongTarget(target: string): NotConnected | null {
  const { kind, rest } = splitTarget(target)
  switch (kind) {
    case 'local':
      return rest === undefined ? null : badTarget('local takes no name', 'write just: --target local')
    case 'hostlink':
      return rest === ''
        ? badTarget('hostlink: needs a name', 'a name of targets.conf, or just: hostlink')
        : null
    case 'ssh':
      return rest ? null : badTarget('ssh needs a destination', 'write ssh:host or ssh:user@host')
    case 'node':
      return rest
        ? null
        : badTarget('node needs a name', 'write node:NAME, as openclaw nodes status shows it')
    default:
      return unknown(target, kind)
  }
}

function unknown(target: string, kind: string): NotConnected {
  const close = nearest(
    kind,
    KINDS.map(known => known.split(':')[0]!),
  )
  const hint = close === undefined ? `targets are ${KINDS.join(', ')}` : `did you mean ${close}?`
  return badTarget(
    target === '' ? 'the target is empty' : `there is no target ${JSON.stringify(target)}`,
    hint,
  )
}

const badTarget = (reason: string, hint?: string): NotConnected => ({
  ok: false,
  problem: 'bad-target',
  reason,
  hint,
})
