/**
 * A checkout that belongs to somebody else is configured by somebody else: what it makes git run is run as that user, and what
 * git writes there is theirs.
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mountedDigests } from '../../src/steps/compose/mounted-files.ts'
import { gitDirtyCheck } from '../../src/steps/git/dirty-check.ts'
import { gitFetch } from '../../src/steps/git/fetch.ts'
import { type Checkout, checkoutRig, fails, failure } from '../rig/checkout.ts'
import { asUser } from '../rig/other-user.ts'

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

/** Everything of a check, also where something of it is refused. */
async function checks(): Promise<void> {
  const repo = s.path('app')
  const all = [
    () => gitDirtyCheck.look!.check!(r.ctx, gitDirtyCheck.schema().parse({ repo, allow: true })),
    () => gitFetch.look!.check!(r.ctx, gitFetch.schema().parse({ repo })),
    () => r.check('main'),
    () => r.check(s.git('up', 'rev-parse', 'HEAD')),
  ]
  execFileSync('touch', [s.path('app/app.txt')])
  for (const each of all) await each().catch(() => null)
}

const MORE_PROGRAMS: [string, () => void][] = [
  ['a credential helper', () => config('credential.helper', `!${s.path('spy')}`)],
  [
    'a pager and an external diff',
    () => {
      config('core.pager', s.path('spy'))
      config('diff.external', s.path('spy'))
    },
  ],
  [
    'what a missing object is fetched with',
    () => {
      config('core.repositoryFormatVersion', '1')
      config('extensions.partialClone', 'origin')
      config('remote.origin.promisor', 'true')
      config('remote.origin.uploadpack', `${s.path('spy')} git-upload-pack`)
    },
  ],
  [
    'a harmless value that goes on with another setting',
    () => {
      s.write('app/h.invalid', `id -u >>${s.path('ran')}\n`)
      config('remote.origin.url', 'git://h.invalid/x.git')
      config('core.eol', 'lf\ncore.gitproxy sh')
    },
  ],
  [
    'another URL for the remote',
    () => {
      config('protocol.ext.allow', 'always')
      config(`url.ext::${s.path('spy')} .insteadOf`, 'file:')
    },
  ],
]

describe('a check', () => {
  beforeEach(() => {
    s.init('lib')
    s.git('up', 'submodule', '-q', 'add', `file://${s.path('lib')}`, 'lib')
    s.git('up', 'commit', '-q', '-m', 'with lib')
    s.git('app', 'pull', '-q')
    s.git('app', 'submodule', '-q', 'update', '--init')
    s.commit('up', { 'app.txt': 'two\n', 'new/file.txt': 'new\n' }, 'two')
  })
  const all = [...CONFIGURATIONS.map(([what, , configure]) => [what, configure] as const), ...MORE_PROGRAMS]
  const owners = isRoot ? [null, OWNERS[1]!] : [null]

  test.each(owners.flatMap(owner => all.map(([what, configure]) => ({ owner, what, configure }))))(
    'runs nothing that a checkout of $owner names: $what',
    async ({ owner, configure }) => {
      configure()
      if (owner !== null) give(owner)
      const before = everythingIn('app')
      await checks()
      expect(s.read('ran')).toBe('')
      expect(everythingIn('app')).toEqual(before)
      const made = r.ctx.ran.flatMap(({ argv }) => (argv[0] === 'rm' ? [argv.at(-1)!] : []))
      expect(made.length).toBeGreaterThan(2)
      expect(made.filter(folder => existsSync(folder))).toEqual([])
    },
  )

  test('sees what a run would see, without the help of the checkout’s configuration', async () => {
    const two = s.git('up', 'rev-parse', 'HEAD')
    const dirty = () =>
      gitDirtyCheck.look!.check!(r.ctx, gitDirtyCheck.schema().parse({ repo: s.path('app') }))
    s.git('app', 'remote', 'set-url', 'origin', '../up')
    s.write('app/.git/info/exclude', 'mine\n')
    s.write('app/mine', '')
    expect(await r.check('main')).toMatchObject([{ seen: { target: two, branch: 'main' } }])
    expect(await r.check(two)).toMatchObject([{ seen: { target: two, branch: null } }])
    expect((await r.check(two))[0]!.failure).toBeUndefined()
    expect(await dirty()).toMatchObject([{ text: 'no local changes' }])
    s.write('app/lib/app.txt', 'mine\n')
    expect(await dirty()).toMatchObject([{ text: '1 local changes', failure: { entries: ['.M lib'] } }])
    s.write('app/app.txt', 'mine\n')
    s.write('app/other', '')
    const [found] = await dirty()
    expect(found!.failure).toMatchObject({ entries: ['.M app.txt', '?? other', '.M lib'] })
    expect(await failure(r.dirty())).toMatchObject({ code: 'dirty-tree', total: 3 })
  })

  test('says what it left out where that is how the remote is reached', async () => {
    config('remote.origin.url', 'ssh://h.invalid/x.git')
    config('core.sshCommand', s.path('spy'))
    config('http.https://user:word@h.invalid/.extraHeader', 'x: y')
    const [found] = await r.check('main')
    expect(found!.failure).toMatchObject({
      code: 'fetch-failed',
      detail: expect.stringMatching(
        /^a check does not use core\.sshcommand, http\.extraheader of \.git\/config, which a run uses: /,
      ),
    })
    expect(s.read('ran')).toBe('')
  })
})

/** Names, sizes and times of all files below. */
const everythingIn = (folder: string): string[] =>
  execFileSync('find', [s.path(folder), '-type', 'f', '-printf', '%p %s %C@ %u\n'], { encoding: 'utf8' })
    .split('\n')
    .filter(line => !line.includes('/app.txt '))
    .sort()

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

  test.each([
    ['borrows them', () => s.write('app/.git/objects/info/alternates', s.path('up/.git/objects'))],
    [
      'borrows them from one that does',
      () => {
        s.git('.', 'init', '-q', '--bare', 'between')
        s.write('between/objects/info/alternates', `# x\n${s.path('up/.git/objects')}\n`)
        s.write('app/.git/objects/info/alternates', '../../../between/objects\n')
      },
    ],
    [
      'quotes their place',
      () => s.write('app/.git/objects/info/alternates', `"${s.path('up/.git/objects')}"\n`),
    ],
    [
      'links them',
      () => {
        cpSync(s.path('app/.git/objects'), s.path('up/objects'), { recursive: true })
        rmSync(s.path('app/.git/objects'), { recursive: true })
        symlinkSync(s.path('up/objects'), s.path('app/.git/objects'))
      },
    ],
  ])('with objects of a third user is refused: %s', async (_, borrow) => {
    borrow()
    execFileSync('chown', ['-R', '65534', s.path('app')])
    // Those of root, and one's own, are nobody else's.
    for (const owner of ['0', '65534']) {
      execFileSync('chown', ['-R', owner, s.path('up')])
      if (_ !== 'quotes their place') await r.dirty({ allow: true })
    }
    execFileSync('chown', ['-R', '4242', s.path('up')])
    await fails(r.dirty({ allow: true }), { code: 'foreign-checkout', why: 'objects' })
  })

  test('of root, as a linked working tree of somebody else’s repository, is refused', async () => {
    s.git('app', 'worktree', 'add', '-q', s.path('tree'), '-b', 'side')
    filters('app/.git/info/attributes')
    give(4242)
    execFileSync('chown', ['-R', '0:0', s.path('app/.git/worktrees')])
    execFileSync('touch', [s.path('tree/app.txt')])
    const input = gitDirtyCheck.schema().parse({ repo: s.path('tree') })
    await fails(gitDirtyCheck.act.run(r.ctx, input, null), { code: 'foreign-checkout', why: 'mixed' })
    expect(s.read('ran')).toBe('')
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

  test('a submodule that belongs to a third user is entered by nobody, on the way there and back', async () => {
    s.git('up', 'rm', '-q', 'lib')
    s.git('up', 'commit', '-q', '-m', 'without lib')
    filters('app/.git/modules/lib/info/attributes')
    for (const key of ['clean', 'smudge'])
      s.git('app/lib', 'config', `filter.spy.${key}`, `${s.path('spy')} cat`)
    execFileSync('touch', [s.path('app/lib/app.txt')])
    execFileSync('chown', ['-R', '4242', s.path('app/lib'), s.path('app/.git/modules/lib')])
    const refused = { code: 'foreign-checkout', path: s.path('app/lib'), why: 'submodule' }
    await fails(r.dirty(), refused)
    await fails(
      gitDirtyCheck.look!.check!(r.ctx, gitDirtyCheck.schema().parse({ repo: s.path('app') })),
      refused,
    )
    await r.fetch()
    await fails(r.checkout('main'), refused)
    expect(s.read('ran')).toBe('')
  })

  test('a submodule is not filled from a repository of a third user', async () => {
    s.git('app', 'submodule', '-q', 'deinit', 'lib')
    const module = 'app/.git/modules/lib'
    s.write(`${module}/info/attributes`, '* filter=spy\n')
    s.git('app', 'config', '--file', s.path(module, 'config'), 'filter.spy.smudge', `${s.path('spy')} cat`)
    execFileSync('chown', ['-R', '4242', s.path(module)])
    await r.fetch()
    await fails(r.checkout('main'), { code: 'foreign-checkout', path: s.path(module), why: 'submodule' })
    expect(s.read('ran')).toBe('')
  })

  test('a submodule in a folder of a third user is entered by nobody', async () => {
    const lib = `file://${s.path('lib')}`
    s.git('up', 'submodule', '-q', 'add', '--name', 'deep', lib, 'data/lib')
    s.git('up', 'commit', '-q', '-m', 'with data')
    await r.fetch()
    await r.checkout('main')
    const refused = { code: 'foreign-checkout', path: s.path('app/data/lib'), why: 'submodule' }
    execFileSync('chown', ['4242', s.path('app/data')])
    await fails(r.dirty(), refused)
    // What that user may do between a look and the next.
    execFileSync('chown', ['0', s.path('app/data')])
    renameSync(s.path('app/data'), s.path('elsewhere'))
    execFileSync('ln', ['-s', s.path('elsewhere'), s.path('app/data')])
    await fails(r.dirty({ allow: true }), refused)
  })

  test('is not entered as root while its .git is away', async () => {
    filters('app/.git/info/attributes')
    execFileSync('touch', [s.path('app/app.txt')])
    give(4242)
    renameSync(s.path('app/.git'), s.path('app/away'))
    // Comes back between the look and git, as early as can be.
    s.write('bin/git', `#!/bin/sh\nmv away .git 2>/dev/null\nPATH=$ORIGINAL exec git "$@"\n`)
    chmodSync(s.path('bin/git'), 0o755)
    const original = process.env['PATH'] ?? ''
    r.environment({ PATH: `${s.path('bin')}:${original}`, ORIGINAL: original })
    await failure(r.dirty({ allow: true })).catch(() => null)
    expect(s.read('ran')).not.toMatch(/^0$/m)
    expect(existsSync(s.path('app/.git'))).toBe(false)
  })

  test('is not taken for one of root’s that was swapped for it a moment later', async () => {
    cpSync(s.path('app'), s.path('evil'), { recursive: true })
    s.write('evil/.git/info/attributes', '* filter=spy\n')
    for (const key of ['clean', 'smudge'])
      s.git('evil', 'config', `filter.spy.${key}`, `${s.path('spy')} cat`)
    s.git('evil', 'config', 'remote.origin.uploadpack', `${s.path('spy')} git-upload-pack`)
    rmSync(s.path('evil/.git/index'))
    execFileSync('chown', ['-R', '4242', s.path('evil')])
    // Their folder, with a checkout of root's in it.
    chmodSync(s.root, 0o777)
    const swaps = asUser(
      4242,
      `const { renameSync } = require('node:fs'); process.chdir(${JSON.stringify(s.root)})
      for (;;) {
        renameSync('app', 'good'); renameSync('evil', 'app')
        renameSync('app', 'evil'); renameSync('good', 'app')
      }`,
    )
    try {
      for (let round = 0; round < 25; round += 1) {
        await failure(r.dirty({ allow: true })).catch(() => null)
        await failure(r.fetch()).catch(() => null)
        await failure(r.checkout('main')).catch(() => null)
      }
      expect(swaps.isAlive()).toBe(true)
    } finally {
      await swaps.end()
    }
    expect(s.read('ran')).not.toMatch(/^0$/m)
  }, 120_000)
})
