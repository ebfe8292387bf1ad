/** The places and texts of all files that `hostops openclaw install` writes. Pure. */
import { join } from 'node:path'

export type DoorOptions = {
  /** Whom the node host runs as. */
  user: string
  /** Whose calls the approvals allow. */
  agent: string
  gateway: { host: string; port: number }
  /** The folder of the launcher. */
  dir: string
  /** hostlink.conf */
  config: string
  /** The state folder of the node host. */
  state: string
  /** In front of all other paths; empty but for tests. */
  root: string
}

export const TOKEN_NAME = 'openclaw-node'
export const UNIT = 'openclaw-node.service'
export const DEFAULT_DIR = '/usr/local/lib/hostops'

export const placesOf = ({ dir, config, state, root }: DoorOptions) => ({
  launcher: join(dir, 'hostops-trigger'),
  script: join(dir, 'hostops-trigger.cjs'),
  token: join(config, '../tokens', TOKEN_NAME),
  policy: join(config, '..', `${TOKEN_NAME}.yaml`),
  environment: join(root, '/etc/hostops/openclaw-node.env'),
  unit: join(root, '/etc/systemd/system', UNIT),
  home: state,
  openclawConfig: join(state, 'openclaw.json'),
  skill: join(state, 'skills/hostops/SKILL.md'),
})

export type DoorPlaces = ReturnType<typeof placesOf>

export const nodeCommand = ({ user, gateway }: DoorOptions, openclaw: string): string =>
  `${openclaw} node run --host ${gateway.host} --port ${gateway.port} --display-name ${user}`

export function nodeUnitText(options: DoorOptions, openclaw: string, group: string): string {
  const places = placesOf(options)
  return `# Written by hostops openclaw install.
[Unit]
Description=OpenClaw node host, for reviewed playbooks only
After=network-online.target hostlinkd.service
Wants=network-online.target

[Service]
User=${options.user}
# May connect to hostlinkd. Only this service, not the user.
SupplementaryGroups=${group}
Environment=HOME=${places.home} OPENCLAW_STATE_DIR=${places.home}
# OPENCLAW_GATEWAY_TOKEN=...
EnvironmentFile=-${places.environment}
ExecStart=${nodeCommand(options, openclaw)}
Restart=on-failure
RestartSec=5
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
ReadWritePaths=${places.home}

[Install]
WantedBy=multi-user.target
`
}

export const ENVIRONMENT_TEXT = `# Read by ${UNIT}: how the node host proves itself to the gateway.
#OPENCLAW_GATEWAY_TOKEN=
`

const RULES = { ask: 'off', askFallback: 'deny', autoAllowSkills: false }

/** The approvals that stay when the door is closed: without any, OpenClaw allows everything. */
export const CLOSED_APPROVALS = { version: 1, defaults: { security: 'deny', ...RULES }, agents: {} }

/** Everything is denied but the launcher, for one agent. */
export const approvalsOf = (launcher: string, agent: string, playbooks: readonly string[]) => ({
  ...CLOSED_APPROVALS,
  agents: {
    [agent]: {
      ...{ security: 'allowlist', ...RULES },
      allowlist: [{ pattern: launcher, argPattern: argPatternOf(playbooks) }],
    },
  },
})

/** OpenClaw joins the words with blanks. 2026.4.20 does not look at it. */
function argPatternOf(playbooks: readonly string[]): string {
  const names = playbooks.map(name => name.replaceAll('.', '\\.')).join('|')
  return `^((run|check|show) (${names})|(wait|report|logs|confirm|cancel) [A-Za-z0-9._-]+|list|ask [a-z]+)( |$)`
}

export type McpServer = { command: string; args: string[]; env: Record<string, string> }

/** For a node host that has no settings yet: fewer doors, and no updates of its own. */
export const NODE_SETTINGS = {
  nodeHost: { autoUpdate: { enabled: false }, browserProxy: { enabled: false } },
}
