/**
 * A checkout that belongs to somebody else is configured by somebody else: what it makes git run is run as that user, and what
 * git writes there is theirs.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, lstatSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mountedDigests } from '../../src/steps/compose/mounted-files.ts'
import { type Checkout, checkoutRig, fails } from '../rig/checkout.ts'

const isRoot = process.getuid?.() === 0
/** One with an account, and one that no account knows. */
const OWNERS = [65534, 4242]

let r: Checkout
let s: Checkout['s']
beforeEach(() => {
  r = checkoutRig()
  s = r.s
  chmodSync(s.root, 0o755)
  // Root trusts everything, and is not asked.
  s.git('app', 'config', '--global', 'safe.directory', '*')
  s.write('ran', '')
  chmodSync(s.path('ran'), 0o666)
  s.write('spy', `#!/bin/sh\nid -u >>${s.path('ran')}\n[ $# -eq 0 ] || exec "$@"\n`)
  chmodSync(s.path('spy'), 0o755)
})
afterEach(() => s.remove())

const config = (key: string, value: string) => s.git('app', 'config', key, value)
const filters = (file: string) => {
  s.write(file, '* filter=spy\n')
  config('filter.spy.clean', `${s.path('spy')} cat`)
  config('filter.spy.smudge', `${s.path('spy')} cat`)
}
const spyFilter = () =>
  `[filter "spy"]\n\tclean = ${s.path('spy')} cat\n\tsmudge = ${s.path('spy')} cat\n[core]\n\tattributesFile = ${s.path('attributes')}\n`

/** Each with whether anything of it is run at all. */
const CONFIGURATIONS: [string, boolean, () => void][] = [
  ['filters', true, () => filters('app/.git/info/attributes')],
  [
    'a filter process',
    true,
    () => {
      s.write('app/.git/info/attributes', '* filter=spy\n')
      config('filter.spy.process', s.path('spy'))
    },
  ],
  ['an upload-pack', true, () => config('remote.origin.uploadpack', `${s.path('spy')} git-upload-pack`)],
  [
    'an ssh command',
    true,
    () => {
      config('remote.origin.url', 'ssh://h.invalid/x.git')
      config('core.sshCommand', s.path('spy'))
    },
  ],
  [
    'a proxy of git://',
    true,
    () => {
      config('remote.origin.url', 'git://h.invalid/x.git')
      config('core.gitProxy', s.path('spy'))
    },
  ],
  [
    'a command for alternate refs',
    true,
    () => {
      s.write('app/.git/objects/info/alternates', `${s.path('up/.git/objects')}\n`)
      config('core.alternateRefsCommand', s.path('spy'))
    },
  ],
  [
    'an included file',
    true,
    () => {
      s.write('attributes', '* filter=spy\n')
      s.write('app/.git/more', spyFilter())
      config('include.path', 'more')
    },
  ],
  [
    'a configuration of the working tree',
    true,
    () => {
      s.write('attributes', '* filter=spy\n')
      config('core.repositoryFormatVersion', '1')
      config('extensions.worktreeConfig', 'true')
      s.write('app/.git/config.worktree', spyFilter())
    },
  ],
  [
    'a gitfile',
    true,
    () => {
      filters('app/.git/info/attributes')
      renameSync(s.path('app/.git'), s.path('elsewhere'))
      s.write('app/.git', `gitdir: ${s.path('elsewhere')}\n`)
    },
  ],
  [
    'filters of a submodule',
    true,
    () => {
      s.git(
        'app',
        'config',
        '--file',
        s.path('app/.git/modules/lib/config'),
        'filter.spy.clean',
        `${s.path('spy')} cat`,
      )
      s.git(
        'app',
        'config',
        '--file',
        s.path('app/.git/modules/lib/config'),
        'filter.spy.smudge',
        `${s.path('spy')} cat`,
      )
      s.write('app/.git/modules/lib/info/attributes', '* filter=spy\n')
    },
  ],
  ['a file system monitor', false, () => config('core.fsmonitor', s.path('spy'))],
  [
    'hooks',
    false,
    () => {
      for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change', 'post-merge']) {
        execFileSync('mkdir', ['-p', s.path('app/.git/hooks')])
        execFileSync('cp', [s.path('spy'), s.path('app/.git/hooks', hook)])
      }
    },
  ],
]

/** What is refused on the way counts by what it ran. */
async function everything(): Promise<void> {
  const settled = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      error => error,
    )
  appendFileSync(s.path('app/app.txt'), '')
  execFileSync('touch', [s.path('app/app.txt')])
  await settled(r.check('main'))
  await settled(r.dirty({ allow: true }))
  await settled(r.fetch())
  const before = await r.snapshot('main').catch(() => null)
  await settled(r.checkout('main', {}, before))
  if (before === null) return
  await settled(r.restore('main', before))
  await settled(r.verify('main', before))
}

function give(uid: number): void {
  execFileSync('chown', [
    '-R',
    `${uid}:${uid}`,
    ...['app', 'up', 'lib', 'elsewhere', 'attributes']
      .map(name => s.path(name))
      .filter(path => lstatSync(path, { throwIfNoEntry: false })),
  ])
}

function ownedByRoot(path: string): string[] {
  const stat = lstatSync(path)
  const below = stat.isDirectory() ? readdirSync(path).flatMap(name => ownedByRoot(`${path}/${name}`)) : []
  return stat.uid === 0 ? [path, ...below] : below
}

describe.skipIf(!isRoot)('a checkout of another owner, for root', () => {
  beforeEach(() => {
    s.init('lib')
    s.git('up', 'submodule', '-q', 'add', `file://${s.path('lib')}`, 'lib')
    s.git('up', 'commit', '-q', '-m', 'with lib')
    s.git('app', 'pull', '-q')
    s.git('app', 'submodule', '-q', 'update', '--init')
    s.commit('up', { 'app.txt': 'two\n', 'new/file.txt': 'new\n' }, 'two')
  })

  test.each(CONFIGURATIONS)('with %s: nothing runs as root', async (_what, isRun, configure) => {
    configure()
    give(OWNERS[0]!)
    await everything()
    const ran = readFileSync(s.path('ran'), 'utf8').split('\n').filter(Boolean)
    expect(ran.filter(uid => uid !== `${OWNERS[0]}`)).toEqual([])
    expect(ran.length > 0).toBe(isRun)
    expect(ownedByRoot(s.path('app'))).toEqual([])
  })

  test.each(OWNERS)(
    'upgrades and goes back as %i, with that user’s groups, and nothing becomes root’s',
    async uid => {
      filters('app/.git/info/attributes')
      config(
        'filter.spy.smudge',
        `sh -c 'id -G >>${s.path('ran')}; echo "$HOME $HOSTOPS_SECRET" >>${s.path('ran')}; cat'`,
      )
      give(uid)
      r.environment({ HOSTOPS_SECRET: 'hunter22' })
      const before = await r.snapshot('main')
      await r.fetch()
      expect(await r.checkout('main', {}, before)).toMatchObject({ changed: true })
      expect(s.read('app/new/file.txt')).toBe('new\n')
      await r.restore('main', before)
      await r.verify('main', before)
      expect(ownedByRoot(s.path('app'))).toEqual([])
      expect(s.read('ran')).toContain(`${uid}\n/nonexistent \n`)
      expect(s.read('ran')).not.toContain('hunter22')
    },
  )

  test('tells which mounted files have changed all the same', async () => {
    const rendered = JSON.stringify({ services: { a: { volumes: [{ source: s.path('app/app.txt') }] } } })
    const look = () => mountedDigests(r.ctx, { dir: s.path('app') }, rendered)
    const own = await look()
    give(4242)
    expect(await look()).toEqual(own)
  })

  test('of two owners is refused', async () => {
    give(65534)
    execFileSync('chown', ['4242', s.path('app/.git')])
    await fails(r.dirty(), { code: 'foreign-checkout', why: 'mixed' })
  })

  test('the user of sudo is somebody else as well', async () => {
    filters('app/.git/info/attributes')
    give(4242)
    r.environment({ SUDO_UID: '4242' })
    await r.fetch()
    await r.checkout('main')
    expect(s.read('ran')).not.toMatch(/^0$/m)
    expect(ownedByRoot(s.path('app'))).toEqual([])
  })
})
