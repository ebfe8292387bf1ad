/**
 * `hostops openclaw install|uninstall` on this machine itself: its /etc, /var/lib, /usr/local/lib and /run, below overlays in
 * a mount namespace of their own, with the real useradd, groupadd and systemd-analyze. Only systemctl is a stand-in.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTLINKD } from '../rig/daemon.ts'
import { HOSTOPS, type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const isPossible = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
if (!isPossible)
  console.warn('NOT TESTED: openclaw install on a real /etc (this needs root and a mount namespace)')

const OVERLAID = ['/etc', '/var/lib', '/usr/local/lib', '/run']

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
  chmodSync(rig.folder, 0o755)
})
afterEach(() => rig.remove())

describe.runIf(isPossible)('on the machine itself', () => {
  test('makes the user, the files and the unit, is the same twice, removes all of it, and comes back', () => {
    const layers = rig.path('layers')
    mkdirSync(layers)
    rig.write('openclaw/package.json', '{"name":"openclaw","version":"2026.9.6"}')
    const programs = {
      systemctl: `#!/bin/sh\necho "$@" >>${rig.path('systemctl.log')}\n`,
      openclaw: `#!/bin/sh
file=$OPENCLAW_STATE_DIR/exec-approvals.json
test $2 = set && { cat >$file; exit; }
printf '{"file":'; cat $file 2>/dev/null || printf '{"version":1}'; printf '}'
`,
    }
    for (const [name, text] of Object.entries(programs))
      chmodSync(rig.write(`openclaw/bin/${name}`, text), 0o755)
    const hostops = `${process.execPath} ${HOSTOPS}`
    const hostlinkd = `${process.execPath} ${HOSTLINKD}`
    const look =
      'find /etc /usr/local/lib /var/lib/hostops /var/lib/openclaw-node -printf "%p %u:%g %m\\n" | sort;'
    const said = (name: string) => `>${rig.path(name)} 2>&1`
    const script = `
mount -t tmpfs tmpfs ${layers}
for folder in ${OVERLAID.join(' ')}; do
  mkdir -p ${layers}$folder/upper ${layers}$folder/work
  mount -t overlay overlay -o lowerdir=$folder,upperdir=${layers}$folder/upper,workdir=${layers}$folder/work $folder
done
mkdir -p /run/systemd/system
export PATH=${rig.path('openclaw/bin')}:${dirname(process.execPath)}:$PATH
${hostlinkd} init --systemd ${said('init')}
chmod 0600 /etc/hostlink/token
{ ${look} } ${said('before')}
${hostops} openclaw install --pin repoPath=/srv/openclaw --yes ${said('first')}
{ ${look} } ${said('installed')}
cp /etc/systemd/system/openclaw-node.service ${rig.path('unit')}
systemd-analyze verify /etc/systemd/system/openclaw-node.service ${said('verify')} || true
getent passwd openclaw-node ${said('passwd')}
setpriv --reuid openclaw-node --regid openclaw-node --groups hostlink cat /etc/hostlink/tokens/openclaw-node ${said('token')}
${hostops} openclaw install --pin repoPath=/srv/openclaw --yes ${said('second')}
${hostops} openclaw uninstall --yes ${said('removed')}
if getent passwd openclaw-node; then exit 9; fi
{ ${look} } ${said('after')}
${hostops} openclaw install --pin repoPath=/srv/openclaw --yes ${said('again')}
`
    const ended = spawnSync('unshare', ['-m', 'sh', '-ec', script], { env: rig.env, encoding: 'utf8' })
    const told = ['first', 'second', 'removed', 'again']
      .map(name => (rig.exists(name) ? rig.read(name) : ''))
      .join('\n')
    expect([ended.status, ended.stderr], told).toEqual([0, ''])
    expect(rig.read('passwd')).toMatch(
      /^openclaw-node:x:\d+:\d+::\/var\/lib\/openclaw-node:\/usr\/sbin\/nologin$/m,
    )
    expect(rig.read('token')).toMatch(/^[0-9a-f]{64}$/m)
    const lines = rig.read('installed').split('\n')
    for (const line of [
      '/etc/hostlink/tokens/openclaw-node root:openclaw-node 640',
      '/etc/systemd/system/openclaw-node.service root:root 644',
      '/usr/local/lib/hostops/hostops-trigger root:root 755',
      '/var/lib/hostops/openclaw.json root:root 600',
      '/var/lib/openclaw-node openclaw-node:openclaw-node 700',
      '/var/lib/openclaw-node/skills/hostops/SKILL.md openclaw-node:openclaw-node 644',
    ])
      expect(lines).toContain(line)
    expect(rig.read('verify')).not.toMatch(/openclaw-node\.service/)
    expect(rig.read('unit')).toContain('SupplementaryGroups=hostlink')
    expect(rig.read('second')).not.toMatch(/^ {2}[+!]/m)
    expect(rig.read('systemctl.log')).toMatch(
      /enable openclaw-node\.service[\s\S]*disable --now openclaw-node\.service/,
    )
    // OpenClaw's own approvals stay, and the copies that useradd keeps of its files.
    const left = rig
      .read('after')
      .split('\n')
      .filter(line => !rig.read('before').includes(line))
    expect(left.map(line => line.split(' ')[0])).toEqual([
      '/var/lib/openclaw-node',
      '/var/lib/openclaw-node/exec-approvals.json',
    ])
  })
})
