/** The texts that `hostops openclaw` prints on a terminal. Pure. */
import type { Change, ChangeRecord } from '../../app/openclaw/changes.ts'
import type { Door, InstallStep, Left } from '../../app/openclaw/install.ts'
import { nodeCommand, placesOf, UNIT } from '../../app/openclaw/layout.ts'
import type { Manifest } from '../../app/openclaw/manifest.ts'
import { printable } from '../../wording/printable.ts'

export function plannedWords(door: Door, steps: readonly InstallStep[]): string {
  const { options, grants, secrets, mcp } = door
  const playbooks = grants.map(
    ({ name, pinned }) => `  ${name}, with ${withoutSecrets(pinned, secrets)} pinned\n`,
  )
  const files = steps.map(({ change, look }) => `  ${MARKS[look.state]} ${changeWords(change)}\n`)
  return [
    `agent ${options.agent} may start, through a node host that runs as user ${options.user}\n${playbooks.join('')}`,
    `\nfiles (+ to write, = up to date, ! in the way)\n${files.join('')}`,
    door.node === 'missing' ? `\nuser ${options.user}: created\n` : '\n',
    `approvals of the node: only ${placesOf(options).launcher} is allowed\n`,
    mcp === null
      ? 'MCP: not offered, because this version of OpenClaw starts no MCP servers on a node\n'
      : '',
    door.hasService ? `service ${UNIT}: enabled and started\n` : 'no service: start the node host yourself\n',
  ].join('')
}

const MARKS = { change: '+', same: '=', blocked: '!' } as const

const changeWords = (change: Change): string =>
  change.kind === 'file' ? `${change.path} (mode ${change.mode.toString(8)})` : recordWords(change)

function recordWords(of: Change | ChangeRecord): string {
  switch (of.kind) {
    case 'folder':
      return `${of.path}/`
    case 'file':
      return of.path
    case 'line':
      return `${of.path}: ${of.line}`
    case 'entry':
      return `${of.path}: ${of.at.join('.')}`
  }
}

export function blockedWords({ change, look }: InstallStep): string {
  const why = look.state === 'blocked' ? look.why : ''
  const snippet =
    change.kind === 'entry'
      ? `\nhint: add it yourself\n${snippetOf(change)}`
      : `\nhint: ls -ld ${printable(change.path)}; move it away if it is not needed`
  return `error: ${printable(change.path)} ${printable(why)}${snippet}\n`
}

const snippetOf = ({ at, value }: { at: string[]; value: unknown }): string =>
  JSON.stringify(
    at.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
    null,
    2,
  )

const withoutSecrets = (values: object, secrets: readonly string[]): string =>
  JSON.stringify(values, (key, value) => (secrets.includes(key) ? '***' : value))

export const leftWords = ({ done, why }: Left): string =>
  `left: ${printable(recordWords(done))} ${printable(why)}\n`

export function nextWords(
  { options, openclaw, group, hasService }: Door,
  { services, isOpen }: { services: boolean; isOpen: boolean },
): string {
  const { environment, launcher, home } = placesOf(options)
  const byHand = `start, as ${options.user} and with the group ${group}: HOME=${home} OPENCLAW_STATE_DIR=${home} OPENCLAW_GATEWAY_TOKEN=... ${nodeCommand(options, openclaw)}`
  const steps = [
    services ? null : 'send SIGHUP to hostlinkd, so that it reads the token',
    hasService ? `write OPENCLAW_GATEWAY_TOKEN=... into ${environment}` : byHand,
    hasService ? `systemctl restart ${UNIT}${isOpen ? '' : ', once the approvals are set'}` : null,
    'at the gateway: openclaw devices list, openclaw devices approve ID; openclaw nodes pending, openclaw nodes approve ID',
    'hostops doctor --openclaw',
  ]
  const lines = steps.flatMap(step => (step === null ? [] : [`  ${step}\n`]))
  return `\nnext\n${lines.join('')}agents call ${launcher}\n`
}

export function removedWords({ done, madeUser, options }: Manifest): string {
  const files = done.toReversed().map(each => `  - ${recordWords(each)}\n`)
  return `removes\n${files.join('')}${madeUser ? `  - the user ${options.user}\n` : ''}`
}
