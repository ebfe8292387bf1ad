/** From a target as people write it to a transport. Each kind is loaded only when it is asked for. */
import { nearest } from '../hostlink/nearest.ts'
import type { Connected, TransportOptions } from './transport.ts'

export async function connect(target: string, options: TransportOptions): Promise<Connected> {
  const colon = target.indexOf(':')
  const kind = colon < 0 ? target : target.slice(0, colon)
  const rest = colon < 0 ? undefined : target.slice(colon + 1)
  switch (kind) {
    case 'local': {
      if (rest !== undefined) return badTarget('local takes no name', 'write just: --target local')
      const { localTransport } = await import('./local.ts')
      return { ok: true, transport: localTransport(options.jobsFolder) }
    }
    case 'hostlink': {
      if (rest === '') return badTarget('hostlink: needs a name', 'a name of targets.conf, or just: hostlink')
      const { connectHostlink } = await import('./hostlink.ts')
      return connectHostlink(rest, options)
    }
    case 'ssh': {
      if (!rest) return badTarget('ssh needs a destination', 'write ssh:host or ssh:user@host')
      const { connectSsh } = await import('./ssh.ts')
      return connectSsh(rest, options)
    }
    case 'node':
      return badTarget(
        'targets on OpenClaw nodes are not part of this version',
        `targets are ${KINDS.join(', ')}`,
      )
    default:
      return unknown(target, kind)
  }
}

const KINDS = ['local', 'hostlink', 'hostlink:<name>', 'ssh:<destination>']

function unknown(target: string, kind: string): Connected {
  const close = nearest(
    kind,
    KINDS.map(known => known.split(':')[0]!),
  )
  const hint = close === null ? `targets are ${KINDS.join(', ')}` : `did you mean ${close}?`
  return badTarget(
    target === '' ? 'the target is empty' : `there is no target ${JSON.stringify(target)}`,
    hint,
  )
}

const badTarget = (reason: string, hint?: string): Connected => ({
  ok: false,
  problem: 'bad-target',
  reason,
  hint,
})
