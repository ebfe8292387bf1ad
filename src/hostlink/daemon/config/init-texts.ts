/** The files that `hostlinkd init` writes and the lines that it prints. Pure. */

export type Places = {
  readonly config: string
  readonly token: string
  readonly policy: string
  readonly socket: string
  readonly socketFolder: string
  readonly output: string
  readonly unit: string
}

export type Group = { readonly name: string; readonly gid: number }

export function configText(places: Places, group: Group, shell: string): string {
  return `# hostlink.conf, written by hostlinkd init. Say what is wrong with it: hostlinkd check -c ${places.config}
# Read again without a restart: systemctl reload hostlinkd (everything but the sockets).

# Whoever has the token can do everything that this daemon can. One line, no quotes.
auth_token_file = ${places.token}
# Further tokens that can do less: see examples/openclaw/policy.yaml.
#policy_file = ${places.policy}

unix_path = ${places.socket}
unix_mode = 0660
# Members of this group can connect, and can read the token.
unix_group = ${group.name}

# What runs the shell text that clients send; commands sent as argv need none.
shell = ${shell}
# Output files and jobs; on a tmpfs they are gone after a reboot.
output_tmpdir = ${places.output}

# The defaults of what is most often changed:
#max_concurrent = 8
#default_timeout_ms = 30000
#max_timeout_ms = 300000
#max_jobs = 64
#job_default_timeout_ms = 86400000
#cancel_on_disconnect = true
#env_allow = DOCKER_HOST, SSH_AUTH_SOCK
#run_as_user = deploy
#log_level = info
#audit_log = ${places.output}/audit.ndjson
`
}

type Unit = {
  readonly program: readonly string[]
  readonly places: Places
  readonly group: Group
  readonly isUser: boolean
}

export function unitText({ program, places, group, isUser }: Unit): string {
  const start = [...program, '-f', '-c', places.config].map(unitWord).join(' ')
  const makeFolder = ['/usr/bin/install', '-d', '-m', '0750', '-g', group.name, places.socketFolder]
  const order = `# It listens before containers that mount its folder start.
Before=docker.service
`
  return `[Unit]
Description=hostlink daemon: runs commands on this host for authorised clients
After=network.target
${isUser ? '' : order}
[Service]
# "systemctl start" waits until it listens, and fails when it does not get that far. Not by itself but by
# systemd-notify it says so.
Type=notify
NotifyAccess=all
# Not RuntimeDirectory=, which is given to root's group again at each start, and taken away at the end: running
# containers have the folder mounted, and jobs keep their output in it.
ExecStartPre=${makeFolder.map(unitWord).join(' ')}
ExecStart=${start}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# Jobs are processes of their own: they go on when the daemon is stopped or restarted. At its next start systemd calls
# them left-over processes, which is as it should be.
KillMode=process
OOMPolicy=continue
LimitNOFILE=65536
SyslogIdentifier=hostlinkd
# No sandbox (ProtectSystem, PrivateTmp, ProtectKernelModules, NoNewPrivileges, ...): commands would then change
# something else than the host and yet be told that all went well. A mount, for one, would be seen by nobody else.

[Install]
WantedBy=${isUser ? 'default.target' : 'multi-user.target'}
`
}

/** A word of a unit's line: systemd's own quotes and specifiers mean nothing in it. */
const unitWord = (word: string): string => {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[A-Za-z0-9_@+=:,./%$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`
}

/** For the compose file of the stack whose container may use the daemon. */
export function composeText(places: Pick<Places, 'token' | 'socketFolder' | 'socket'>, gid: number): string {
  const socket = places.socket.slice(places.socketFolder.length)
  return `services:
  openclaw-gateway:
    environment:
      HOSTLINK_SOCKET: /run/hostlink${socket}
      HOSTLINK_TOKEN_FILE: /run/secrets/hostlink_token
    group_add: ["${gid}"]
    secrets: [hostlink_token]
    volumes:
      # The folder, not the socket: the socket is another one after each start of the daemon.
      - ${places.socketFolder}:/run/hostlink:ro
secrets:
  hostlink_token:
    file: ${places.token}
`
}
