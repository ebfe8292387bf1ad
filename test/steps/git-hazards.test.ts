/** Each row of the table of git's hazards, on real repositories. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failed } from '../../src/failure.ts'
import { gitCheckout } from '../../src/steps/git/checkout.ts'
import { gitDirtyCheck } from '../../src/steps/git/dirty-check.ts'
import { gitFetch } from '../../src/steps/git/fetch.ts'
import { type Checkout, checkoutRig, fails, failure } from '../rig/checkout.ts'
import { smallDisk } from '../rig/small-disk.ts'
import { stepContext } from '../rig/step-context.ts'

let r: Checkout
let s: Checkout['s']
const started: ChildProcess[] = []
beforeEach(() => {
  r = checkoutRig()
  s = r.s
})
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  s.remove()
})

test('moved tag: the commit that it names upstream now is what is deployed, and the move is told', async () => {
  s.git('up', 'tag', 'v1')
  s.git('app', 'fetch', '-q', '--tags')
  const old = s.git('app', 'rev-parse', 'v1')
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  s.git('up', 'tag', '-f', 'v1')
  expect(await r.fetch()).toMatchObject({ outputs: { movedTags: ['v1'] } })
  expect(r.ctx.said.join()).toContain('v1')
  expect(await r.checkout('v1')).toMatchObject({
    outputs: { sha: two, branch: '' },
    facts: { afterBranch: null },
  })
  expect([r.head(), r.branch()]).toEqual([two, 'HEAD'])
  expect(s.git('app', 'rev-parse', 'refs/tags/v1')).toBe(old)
})

test('fetch: no ref and no FETCH_HEAD of the user changes', async () => {
  const before = s.git('app', 'for-each-ref')
  s.commit('up', { 'app.txt': 'two\n' }, 'two')
  s.git('up', 'tag', 'new')
  await r.fetch()
  const after = s.git('app', 'for-each-ref').split('\n')
  expect(after.filter(line => !line.includes('refs/hostops/')).join('\n')).toBe(before)
  expect(existsSync(s.path('app/.git/FETCH_HEAD'))).toBe(false)
})

test('fetch: a full disk is reported as such, and the next fetch works', async () => {
  const two = s.commit('up', { 'large.bin': randomBytes(600_000).toString('base64') }, 'large')
  s.git('up', 'tag', 'large')
  const clone = s.path('app')
  const away = `${clone}.away`
  renameSync(clone, away)
  const disk = smallDisk(clone, '2m')
  if (disk === null) return
  try {
    cpSync(away, clone, { recursive: true })
    disk.fill(100_000)
    const full = { code: 'disk-full', detail: expect.stringContaining('No space left on device') }
    await fails(r.fetch(), full)
    disk.free()
    await r.fetch()
    expect(await r.checkout('large')).toMatchObject({ outputs: { sha: two } })
  } finally {
    disk.unmount()
  }
})

test('tag and branch of one name: refused until one is named in full', async () => {
  const one = r.head()
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  s.git('up', 'branch', 'v1', one)
  s.git('up', 'tag', 'v1', two)
  await r.fetch()
  await fails(r.checkout('v1'), { code: 'ref-ambiguous', candidates: ['refs/heads/v1', 'refs/tags/v1'] })
  const [finding] = await r.check('v1')
  expect(finding?.failure).toMatchObject({ code: 'ref-ambiguous' })
  await r.checkout('refs/tags/v1')
  expect([r.head(), r.branch()]).toEqual([two, 'HEAD'])
  await r.checkout('refs/heads/v1')
  expect([r.head(), r.branch()]).toEqual([one, 'refs/heads/v1'])
})

describe('force-pushed branch', () => {
  test('is history-rewritten, and nothing moves', async () => {
    const one = r.head()
    s.git('up', 'commit', '-q', '--amend', '-m', 'other')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'history-rewritten', branch: 'main', local: one })
    expect([r.head(), r.branch()]).toEqual([one, 'refs/heads/main'])
  })
  test('of commits that only hostops had fetched is history-rewritten as well', async () => {
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await r.checkout('main')
    s.git('up', 'commit', '-q', '--amend', '-m', 'other')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'history-rewritten' })
  })
  test('that was only wound back is history-rewritten as well', async () => {
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await r.checkout('main')
    s.git('up', 'reset', '-q', '--hard', 'HEAD~1')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'history-rewritten' })
  })
  test('commits that exist only here are branch-diverged', async () => {
    s.commit('app', { 'own.txt': 'mine\n' }, 'mine')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'branch-diverged', ahead: 1, behind: 0 })
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'branch-diverged', ahead: 1, behind: 1 })
    await r.checkout('main', { pull: 'none' })
    expect(s.read('app/own.txt')).toBe('mine\n')
  })
})

describe('dirty tree', () => {
  test('clean', async () => {
    expect(await r.dirty()).toEqual({
      changed: false,
      outputs: { dirty: false, sha: r.head(), branch: 'main', entries: [] },
      facts: { dirtyRepo: false, beforeSha: r.head(), beforeBranch: 'main' },
    })
  })
  test.each([
    ['an edit', () => s.write('app/app.txt', 'mine\n'), '.M app.txt'],
    [
      'a staged edit',
      () => {
        s.write('app/app.txt', 'x\n')
        s.git('app', 'add', '.')
      },
      'M. app.txt',
    ],
    ['a deleted file', () => rmSync(s.path('app/app.txt')), '.D app.txt'],
    ['a new file', () => s.write('app/new.txt', 'x\n'), '?? new.txt'],
    ['a name with a newline', () => s.write('app/a\nb "c" \\ ü', 'x\n'), '?? a\nb "c" \\ ü'],
    ['a name that looks like an option', () => s.write('app/--x', 'x\n'), '?? --x'],
  ])('%s is named', async (_name, change, entry) => {
    change()
    await fails(r.dirty(), { code: 'dirty-tree', entries: [entry], total: 1 })
    expect(await r.dirty({ allow: true })).toMatchObject({ outputs: { dirty: true, entries: [entry] } })
  })
  test('files that are marked assume-unchanged or skip-worktree count when they were edited', async () => {
    s.commit('app', { 'b.txt': 'b\n', 'c.txt': 'c\n', 'd.txt': 'd\n' }, 'more')
    s.git('app', 'update-index', '--assume-unchanged', 'app.txt', 'b.txt')
    s.git('app', 'update-index', '--skip-worktree', 'c.txt', 'd.txt')
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
    s.write('app/app.txt', 'mine\n')
    rmSync(s.path('app/d.txt'))
    await fails(r.dirty(), { code: 'dirty-tree', entries: ['hidden app.txt', 'hidden d.txt'] })
  })
  test('a hundred thousand of them are counted', async () => {
    const blob = s.git('app', 'rev-parse', 'HEAD:app.txt')
    const name = (at: number) => `${'a-folder-of-a-rather-long-name/'.repeat(3)}${at}.txt`
    const input = Array.from({ length: 100_000 }, (_, at) => `100644 ${blob}\t${name(at)}\n`).join('')
    const args = ['-C', s.path('app'), 'update-index', '--index-info']
    execFileSync('git', args, { env: s.env, input })
    await fails(r.dirty(), { code: 'dirty-tree', total: 100_000 })
  })
  test('what is to be ignored is', async () => {
    s.write('app/data/deep/x.db', 'x')
    s.write('app/app.txt', 'mine\n')
    await fails(r.dirty({ ignore: ['data/**'] }), { entries: ['.M app.txt'] })
    expect(await r.dirty({ ignore: ['data/**', '*.txt'] })).toMatchObject({ outputs: { dirty: false } })
  })
  test('edits that are in the way of the new tree stop the checkout, and stay', async () => {
    const one = r.head()
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    s.write('app/app.txt', 'mine\n')
    await fails(r.checkout('main'), { code: 'dirty-tree', entries: ['app.txt'] })
    expect([r.head(), r.branch(), s.read('app/app.txt')]).toEqual([one, 'refs/heads/main', 'mine\n'])
  })
})

describe('files in the way', () => {
  test('an ignored file is not overwritten', async () => {
    s.commit('up', { '.gitignore': '.env\n' }, 'ignore')
    await r.fetch()
    await r.checkout('main')
    const before = r.head()
    s.write('app/.env', 'TOKEN=mine\n')
    s.commit('up', { '.env': 'TOKEN=theirs\n' }, 'env')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'files-in-the-way', files: ['.env'] })
    expect([r.head(), r.branch(), s.read('app/.env')]).toEqual([before, 'refs/heads/main', 'TOKEN=mine\n'])
  })
  test('nor is an untracked one', async () => {
    s.write('app/new.txt', 'mine\n')
    s.commit('up', { 'new.txt': 'theirs\n' }, 'new')
    await r.fetch()
    await fails(r.checkout('main'), { code: 'files-in-the-way', files: ['new.txt'] })
    expect(s.read('app/new.txt')).toBe('mine\n')
  })
})

test('failing hook: hooks do not run', async () => {
  for (const hook of ['post-checkout', 'reference-transaction', 'post-merge', 'pre-auto-gc']) {
    s.write(`app/.git/hooks/${hook}`, `#!/bin/sh\ntouch ${s.path('hook-ran')}\nexit 1\n`)
    chmodSync(s.path(`app/.git/hooks/${hook}`), 0o755)
  }
  const before = await r.snapshot('main')
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  await r.fetch()
  await r.checkout('main', {}, before)
  expect([r.head(), r.branch()]).toEqual([two, 'refs/heads/main'])
  await r.restore('main', before)
  await r.verify('main', before)
  expect(existsSync(s.path('hook-ran'))).toBe(false)
})

describe('prompts', () => {
  let server: Server
  afterEach(() => server?.close())

  test('a remote that wants a password fails at once, and says so', async () => {
    server = createServer((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    s.write('askpass', `#!/bin/sh\ntouch ${s.path('asked')}\necho x\n`)
    chmodSync(s.path('askpass'), 0o755)
    r.environment({ GIT_ASKPASS: s.path('askpass'), SSH_ASKPASS: s.path('askpass'), DISPLAY: ':0' })
    s.git(
      'app',
      'remote',
      'set-url',
      'origin',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`,
    )
    await fails(r.fetch(), {
      code: 'fetch-failed',
      detail: expect.stringContaining('could not read Username'),
    })
    expect(existsSync(s.path('asked'))).toBe(false)
  })
  test('ssh is told not to ask, behind the user’s own ssh command', async () => {
    s.write(
      'my-ssh',
      `#!/bin/sh\nfor a; do echo "$a" >> ${s.path('args')}; done\necho "git@h: Permission denied (publickey)." >&2\nexit 255\n`,
    )
    chmodSync(s.path('my-ssh'), 0o755)
    s.git('app', 'remote', 'set-url', 'origin', 'git@h:x.git')
    s.git('app', 'config', 'core.sshCommand', `${s.path('my-ssh')} -i key`)
    await fails(r.fetch(), { code: 'fetch-failed', detail: 'git@h: Permission denied (publickey).' })
    expect(s.read('args')).toContain('-i\nkey\n-o\nBatchMode=yes\n')
  })
})

describe('the true cause of a failed fetch', () => {
  test('no such remote', async () => {
    await fails(r.fetch({ remote: 'nowhere' }), {
      code: 'fetch-failed',
      detail: expect.stringContaining('nowhere'),
    })
    const parsed = gitFetch.schema().parse({ repo: s.path('app'), remote: 'nowhere' })
    await fails(gitFetch.look!.check!(r.ctx, parsed), { code: 'fetch-failed' })
  })
  test('the upstream repository is gone', async () => {
    rmSync(s.path('up'), { recursive: true })
    await fails(r.fetch(), {
      code: 'fetch-failed',
      detail: expect.stringContaining('does not appear to be a git repository'),
    })
  })
})

describe('submodules', () => {
  const sub = () => s.git('app/lib', '-c', 'safe.directory=*', 'rev-parse', 'HEAD')
  beforeEach(() => {
    s.init('lib')
    s.git('up', 'submodule', '-q', 'add', `file://${s.path('lib')}`, 'lib')
    s.git('up', 'commit', '-q', '-m', 'with lib')
  })
  const newLib = () => {
    const sha = s.commit('lib', { 'app.txt': `${Math.random()}\n` }, 'newer')
    s.git('up/lib', 'fetch', '-q')
    s.git('up/lib', 'checkout', '-q', sha)
    s.git('up', 'add', 'lib')
    s.git('up', 'commit', '-q', '-m', 'newer lib')
    return sha
  }

  test('follow the upgrade and the rollback', async () => {
    const first = s.git('lib', 'rev-parse', 'HEAD')
    await r.fetch()
    expect(await r.checkout('main')).toMatchObject({ outputs: { submodules: 1 } })
    expect(sub()).toBe(first)
    const before = await r.snapshot('main')
    const second = newLib()
    await r.fetch()
    await r.checkout('main', {}, before)
    expect(sub()).toBe(second)
    rmSync(s.path('lib'), { recursive: true })
    await r.restore('main', before)
    await r.verify('main', before)
    expect(sub()).toBe(first)
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
  })
  test('one that came with the new version is gone after the rollback', async () => {
    const before = await r.snapshot('main')
    await r.fetch()
    await r.checkout('main', {}, before)
    expect(existsSync(s.path('app/lib/app.txt'))).toBe(true)
    await r.restore('main', before)
    await r.verify('main', before)
    expect(existsSync(s.path('app/lib'))).toBe(false)
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
  })
  test.each(['comes', 'goes', 'moves'])('one that %s where a checkout is cut off before HEAD', async how => {
    if (how !== 'comes') {
      await r.fetch()
      await r.checkout('main')
    }
    const before = await r.snapshot('main')
    if (how === 'moves') newLib()
    if (how === 'goes') {
      s.git('up', 'rm', '-q', 'lib')
      s.git('up', 'commit', '-q', '-m', 'without lib')
    }
    await r.fetch()
    const next = s.git('up', 'rev-parse', 'HEAD')
    if (how === 'goes') s.git('app', 'submodule', '-q', 'deinit', 'lib')
    s.git('app', 'update-ref', 'refs/worktree/hostops/goal', next)
    s.git('app', 'read-tree', '-m', '-u', before.sha, next)
    await r.restore('main', before)
    await r.verify('main', before)
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
  })
  test.each([
    ['.gitmodules wants it ignored', () => ['.gitmodules', `${s.read('up/.gitmodules')}\tignore = all\n`]],
    ['a file has the name of the old commit', () => [r.head(), '']],
  ])('nor does it stay behind where %s', async (_what, file) => {
    const before = await r.snapshot('main')
    const [name = '', text = ''] = file()
    s.commit('up', { [name]: text }, 'hostile')
    await r.fetch()
    await r.checkout('main', {}, before)
    await r.restore('main', before)
    await r.verify('main', before)
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
  })
  test('count as dirty although settings leave them out', async () => {
    await r.fetch()
    await r.checkout('main')
    s.git('app', 'config', 'diff.ignoreSubmodules', 'all')
    s.git('app', 'config', 'submodule.lib.ignore', 'all')
    s.write('app/lib/new.txt', 'mine\n')
    await fails(r.dirty(), { code: 'dirty-tree', total: 1 })
  })
  test.skipIf(process.getuid?.() !== 0)('of a checkout of another owner are accepted', async () => {
    chmodSync(s.root, 0o755)
    s.git('app', 'config', '--global', 'safe.directory', '*')
    await r.fetch()
    await r.checkout('main')
    // The owner's git has no other configuration than the checkout's.
    s.git('app/lib', 'config', 'protocol.file.allow', 'always')
    const give = () => {
      for (const name of ['app', 'up', 'lib']) own(s.path(name))
    }
    give()
    expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
    const next = newLib()
    give()
    await r.fetch()
    await r.checkout('main')
    expect(sub()).toBe(next)
  })
  test('changes inside one are dirty, and are not lost', async () => {
    await r.fetch()
    await r.checkout('main')
    s.write('app/lib/app.txt', 'mine\n')
    await fails(r.dirty(), { code: 'dirty-tree', total: 1 })
    const old = s.git('up', 'rev-parse', 'HEAD~1')
    await fails(r.checkout(old), { code: 'files-in-the-way', files: ['lib'] })
    expect(s.read('app/lib/app.txt')).toBe('mine\n')
  })
  test('stay where they are when told so', async () => {
    await r.fetch()
    await r.checkout('main', { submodules: false })
    expect(readdirSync(s.path('app/lib'))).toEqual([])
  })
})

test('LFS: files that hold only a pointer are named', async () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'
  s.commit('up', { '.gitattributes': '*.bin filter=lfs\n', 'model ü.bin': pointer, 'b.bin': 'real\n' }, 'lfs')
  await r.fetch()
  expect(await r.checkout('main')).toMatchObject({ outputs: { lfsPointers: ['model ü.bin'] } })
  expect(r.ctx.said.join()).toContain('model ü.bin')
})

describe('shallow clone', () => {
  let shas: string[]
  beforeEach(() => {
    shas = [1, 2, 3].map(n => s.commit('up', { 'app.txt': `${n}\n` }, `${n}`))
    rmSync(s.path('app'), { recursive: true })
    s.clone('up', 'app', '--depth', '1')
  })
  test('goes forward', async () => {
    const before = await r.snapshot('main')
    const next = s.commit('up', { 'app.txt': 'next\n' }, 'next')
    await r.fetch()
    await r.checkout('main', {}, before)
    expect(r.head()).toBe(next)
    await r.restore('main', before)
    await r.verify('main', before)
  })
  test('goes forward over a gap that a fetch with a depth has left', async () => {
    const next = [4, 5, 6].map(n => s.commit('up', { 'app.txt': `${n}\n` }, `${n}`)).at(-1)
    await r.fetch({ depth: 1 })
    await r.checkout('main')
    expect(r.head()).toBe(next)
  })
  test('an old commit that it lacks is asked for', async () => {
    await r.checkout(shas[0]!)
    expect([r.head(), s.read('app/app.txt')]).toEqual([shas[0], '1\n'])
  })
  test('a complete clone is not made shallow by a depth', async () => {
    rmSync(s.path('app'), { recursive: true })
    s.clone('up', 'app')
    await r.fetch({ depth: 1 })
    expect(s.git('app', 'rev-parse', '--is-shallow-repository')).toBe('false')
    expect(r.ctx.said.join()).toContain('depth is left aside')
  })
})

describe('index.lock', () => {
  test('is reported with its holder and age, and stays', async () => {
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    s.write('app/app.txt', 'mine\n')
    s.write('editor', `#!/bin/sh\ntouch ${s.path('editing')}\nexec sleep 60\n`)
    chmodSync(s.path('editor'), 0o755)
    const commit = spawn('git', ['commit', '-q', '-a'], {
      cwd: s.path('app'),
      env: { ...s.env, GIT_EDITOR: s.path('editor') },
      stdio: 'ignore',
      detached: true,
    })
    started.push(commit)
    await until(() => existsSync(s.path('editing')))
    const found = await failure(r.checkout(two))
    expect(found).toMatchObject({
      code: 'index-locked',
      lockFile: s.path('app/.git/index.lock'),
      ageSeconds: expect.any(Number),
      holder: `git (pid ${commit.pid})`,
    })
    expect(existsSync(s.path('app/.git/index.lock'))).toBe(true)
    process.kill(-commit.pid!, 'SIGKILL')
  })
  test('one that nobody holds is named as such', async () => {
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    s.write('app/.git/index.lock', '')
    await fails(r.checkout(two), { code: 'index-locked', holder: null })
    expect(existsSync(s.path('app/.git/index.lock'))).toBe(true)
  })
})

describe('the environment', () => {
  test('inherited GIT_* variables do not point git elsewhere', async () => {
    s.init('other')
    const other = s.git('other', 'rev-parse', 'HEAD')
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    for (const env of [
      { GIT_DIR: s.path('other/.git') },
      { GIT_DIR: s.path('other/.git'), GIT_WORK_TREE: s.path('other'), GIT_PREFIX: 'x/' },
      { GIT_INDEX_FILE: s.path('stolen-index') },
      { GIT_OBJECT_DIRECTORY: s.path('stolen-objects'), GIT_QUARANTINE_PATH: s.path('stolen-objects') },
      { GIT_COMMON_DIR: s.path('other/.git'), GIT_DIR: s.path('other/.git') },
    ]) {
      s.git('app', 'checkout', '-q', '-B', 'main', 'refs/remotes/origin/main')
      r.environment(env)
      expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
      await r.fetch()
      await r.checkout('main')
      expect([r.head(), r.branch()]).toEqual([two, 'refs/heads/main'])
      expect(s.git('app', 'status', '--porcelain')).toBe('')
    }
    expect(s.git('other', 'rev-parse', 'HEAD')).toBe(other)
    expect(readdirSync(s.root).filter(name => name.startsWith('stolen'))).toEqual([])
  })
  test.skipIf(process.getuid?.() !== 0)(
    'a checkout of another owner is accepted, for that one path',
    async () => {
      chmodSync(s.root, 0o755)
      for (const name of ['app', 'up']) own(s.path(name))
      expect(() =>
        execFileSync('git', ['-C', s.path('app'), 'status'], { env: s.env, stdio: 'pipe' }),
      ).toThrow(/dubious/)
      expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
      await r.fetch()
      await r.checkout('main')
    },
  )
})

describe('hostile names', () => {
  test.each([
    '--upload-pack=touch x',
    '-x',
    '$(touch x)',
    'a b',
    'a\nb',
    'a..b',
    'main@{1}',
    '@',
    'main^',
    'main~1',
    ':/x',
    'a\\b',
    '',
    '.',
    'a/.b',
    'x.lock',
    'a//b',
    '/a',
    'a/',
    'x'.repeat(300),
  ])('%j is no ref', ref => {
    expect(gitCheckout.schema().safeParse({ repo: '/srv/app', ref }).success).toBe(false)
  })
  test.each(['--upload-pack=x', 'ext::sh -c x', 'https://h/x.git', '../x', '-o', ''])(
    '%j is no remote',
    remote => {
      expect(gitFetch.schema().safeParse({ repo: '/srv/app', remote }).success).toBe(false)
    },
  )
  test.each(['app', './app', '../app', '--x', '', '/a\nb', '/a\u0000b', 'C:app'])('%j is no path', repo => {
    expect(gitFetch.schema().safeParse({ repo }).success).toBe(false)
  })
  test('a branch and a folder with odd but legal names work', async () => {
    const odd = '$(id)\'";&|`x`#%'
    s.git('up', 'checkout', '-q', '-b', odd)
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.clone('up', 'app $(id) \'" ü')
    const repo = s.path('app $(id) \'" ü')
    await gitFetch.act.run(r.ctx, gitFetch.schema().parse({ repo }), null)
    const done = await gitCheckout.act.run(r.ctx, gitCheckout.schema().parse({ repo, ref: odd }), null)
    expect(done.outputs).toMatchObject({ sha: two, branch: odd })
  })
})

describe('not a checkout', () => {
  const gone = () => rmSync(s.path('app'), { recursive: true })
  const empty = () => {
    gone()
    execFileSync('git', ['init', '-q', s.path('app')], { env: s.env })
  }
  const file = () => {
    gone()
    s.write('app', 'x')
  }
  const inside = () => {
    s.git('.', 'init', '-q')
    rmSync(s.path('app/.git'), { recursive: true })
  }
  test.each([
    ['missing', gone],
    ['a file', file],
    ['without a commit', empty],
    ['a folder inside another checkout', inside],
  ])('%s', async (_name, make) => {
    make()
    await fails(r.dirty(), { code: 'not-a-repository', path: s.path('app') })
    await fails(r.fetch(), { code: 'not-a-repository' })
    await fails(r.checkout('main'), { code: 'not-a-repository' })
  })
  test('a link to a checkout and a linked working tree are checkouts', async () => {
    symlinkSync(s.path('app'), s.path('link'))
    s.git('app', 'worktree', 'add', '-q', s.path('tree'), '-b', 'side')
    for (const name of ['link', 'tree']) {
      const parsed = gitDirtyCheck.schema().parse({ repo: s.path(name) })
      expect(await gitDirtyCheck.act.run(r.ctx, parsed, null)).toMatchObject({ outputs: { dirty: false } })
    }
    await r.fetch()
    await fails(r.checkout('refs/heads/side'), { code: 'step-input-invalid' })
    expect(r.ctx.ran.every(request => request.argv[0] !== 'env')).toBe(true)
  })
})

describe('detached HEAD and the way back', () => {
  test('from a tag to a branch and back', async () => {
    const one = r.head()
    s.git('app', 'checkout', '-q', '--detach')
    const before = await r.snapshot('main')
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await r.checkout('main', {}, before)
    expect([r.head(), r.branch()]).toEqual([two, 'refs/heads/main'])
    expect(await r.restore('main', before)).toMatchObject({ facts: { afterSha: one, afterBranch: null } })
    expect([r.head(), r.branch(), s.git('app', 'rev-parse', 'main')]).toEqual([one, 'HEAD', one])
    await r.verify('main', before)
  })
  test('a branch that the upgrade created is gone after the rollback', async () => {
    s.git('up', 'checkout', '-q', '-b', 'next')
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    const before = await r.snapshot('next')
    await r.fetch()
    await r.checkout('next', {}, before)
    expect(r.branch()).toBe('refs/heads/next')
    await r.restore('next', before)
    expect(r.branch()).toBe('refs/heads/main')
    expect(s.git('app', 'branch', '--list', 'next')).toBe('')
  })
  test('a branch that somebody has moved since is left there, and said so', async () => {
    const before = await r.snapshot('main')
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await r.checkout('main', {}, before)
    const own = s.commit('app', { 'own.txt': 'mine\n' }, 'mine')
    await fails(r.restore('main', before), { code: 'not-restored' })
    expect(s.git('app', 'rev-parse', 'main')).toBe(own)
  })
  test('edits that are in the way of the old tree are not lost', async () => {
    const before = await r.snapshot('main')
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    await r.checkout('main', {}, before)
    s.write('app/app.txt', 'mine\n')
    await fails(r.restore('main', before), { code: 'dirty-tree', entries: ['app.txt'] })
    await fails(r.verify('main', before), { code: 'head-differs' })
    expect(s.read('app/app.txt')).toBe('mine\n')
  })
  test('from every point at which a checkout can be cut off, and twice', async () => {
    const before = await r.snapshot('main')
    const one = r.head()
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await r.fetch()
    const points = [
      () => {},
      () => s.git('app', 'checkout', '-q', '--detach', two),
      () => s.git('app', 'update-ref', '-m', before.mark, 'refs/heads/main', two, one),
      () => s.git('app', 'symbolic-ref', 'HEAD', 'refs/heads/main'),
    ]
    for (let cut = 0; cut < points.length; cut += 1) {
      for (const point of points.slice(0, cut + 1)) point()
      await r.restore('main', before)
      await r.verify('main', before)
      await r.restore('main', before)
      expect([r.head(), r.branch(), s.git('app', 'status', '--porcelain')]).toEqual([
        one,
        'refs/heads/main',
        '',
      ])
    }
  })
  test('a checkout that is stopped among the files goes back to every one of them', async () => {
    const files = Object.fromEntries(
      ['a', 'b', 'c', 'd', 'e'].map(name => [`${name} ü.txt`, `${name} one\n`]),
    )
    s.commit('up', { ...files, '.gitattributes': '*.txt filter=slow\n', '.gitignore': 'gone\n' }, 'many')
    await r.fetch()
    await r.checkout('main')
    const one = r.head()
    s.git('up', 'rm', '-q', 'a ü.txt')
    const next = Object.fromEntries(
      ['b', 'c', 'd', 'e', 'f', 'g'].map(name => [`${name} ü.txt`, `${name} two\n`]),
    )
    s.commit('up', { ...next, '0 new.txt': 'new\n' }, 'others')
    await r.fetch()
    s.git('app', 'config', 'filter.slow.smudge', 'sleep 0.2; cat')
    const before = await r.snapshot('main')
    const controller = new AbortController()
    const interrupted = new Failed({ code: 'interrupted', signal: 'SIGINT' })
    const ctx = stepContext({ env: s.env, signal: controller.signal })
    const running = gitCheckout.act.run(
      ctx,
      gitCheckout.schema().parse({ repo: s.path('app'), ref: 'main' }),
      before,
    )
    const ended = fails(running, { code: 'interrupted' })
    const written = (name: string) => existsSync(s.path(name)) && s.read(name) === 'b two\n'
    await until(() => written('app/b ü.txt'))
    controller.abort(interrupted)
    await ended
    expect([existsSync(s.path('app/a ü.txt')), r.head()]).toEqual([false, one])
    s.git('app', 'config', '--unset', 'filter.slow.smudge')
    s.write('app/e ü.txt', 'mine\n')
    expect(await r.restore('main', before)).toMatchObject({ changed: true })
    expect(s.git('app', 'status', '--porcelain')).toBe('M "e \\303\\274.txt"')
    expect(s.read('app/e ü.txt')).toBe('mine\n')
    s.git('app', 'checkout', '-q', '--', '.')
    expect(s.git('app', 'for-each-ref', 'refs/worktree')).toBe('')
    await r.restore('main', before)
    await r.verify('main', before)
    expect(s.git('app', 'status', '--porcelain')).toBe('')
  })
  test('a checkout that is killed when HEAD alone is still old goes back as well', async () => {
    s.commit('up', { 'a.txt': 'one\n', 'b.txt': 'one\n', 'c.txt': 'one\n' }, 'one')
    await r.fetch()
    await r.checkout('main')
    const before = await r.snapshot('main')
    const one = r.head()
    s.git('up', 'rm', '-q', 'c.txt')
    const two = s.commit('up', { 'a.txt': 'two\n', 'b.txt': 'two\n', 'd.txt': 'two\n' }, 'two')
    await r.fetch()
    const cutOff = () => {
      s.git('app', 'update-ref', 'refs/worktree/hostops/goal', two)
      s.git('app', 'read-tree', '-m', '-u', one, two)
      expect(s.git('app', 'status', '--porcelain')).toBe('M  a.txt\nM  b.txt\nD  c.txt\nA  d.txt')
    }
    cutOff()
    expect(await r.restore('main', before)).toMatchObject({ changed: true })
    await r.verify('main', before)
    expect(s.git('app', 'status', '--porcelain')).toBe('')
    cutOff()
    s.write('app/b.txt', 'mine\n')
    s.write('app/c.txt', 'mine\n')
    await r.restore('main', before)
    expect([s.read('app/b.txt'), s.read('app/c.txt')]).toEqual(['mine\n', 'mine\n'])
    await fails(r.verify('main', before), { code: 'dirty-tree' })
  })
  test('a tree that was left half-way is not called restored', async () => {
    const before = await r.snapshot('main')
    s.write('app/app.txt', 'half\n')
    await r.restore('main', before)
    await fails(r.verify('main', before), { code: 'dirty-tree', entries: ['.M app.txt'] })
  })
})

describe('names', () => {
  test('a short commit, and a name that is not there with what was meant', async () => {
    const one = r.head()
    s.git('up', 'tag', 'v1.2.3')
    await r.fetch()
    expect(await r.checkout(one.slice(0, 10))).toMatchObject({ outputs: { sha: one, branch: '' } })
    await fails(r.checkout('v1.2.4'), { code: 'ref-not-found', ref: 'v1.2.4', suggestion: 'v1.2.3' })
    await fails(r.checkout('origin/main'), { code: 'ref-not-found', suggestion: 'main' })
    await fails(r.checkout('0'.repeat(40)), { code: 'ref-not-found' })
  })
  test('an annotated tag is its commit', async () => {
    const one = r.head()
    s.git('up', 'tag', '-a', 'v1', '-m', 'v1')
    await r.fetch()
    expect(await r.checkout('v1')).toMatchObject({ outputs: { sha: one } })
  })
})

describe('signatures', () => {
  beforeEach(() => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', s.path('key')])
    s.write('signers', `a@example.invalid ${s.read('key.pub')}`)
    for (const repo of ['up', 'app']) {
      s.git(repo, 'config', 'gpg.format', 'ssh')
      s.git(repo, 'config', 'user.signingKey', s.path('key.pub'))
    }
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
  })
  test('a signed tag and a signed commit are good, others are refused and nothing moves', async () => {
    const one = r.head()
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.git('up', 'tag', 'plain')
    s.git('up', 'tag', '-a', '-m', 'x', 'annotated')
    s.git('up', 'tag', '-s', '-m', 'x', 'signed')
    await r.fetch()
    for (const ref of ['plain', 'annotated', 'main']) {
      await fails(r.checkout(ref, { verify: 'signature' }), { code: 'signature-missing', ref })
    }
    expect(r.head()).toBe(one)
    expect(await r.checkout('signed', { verify: 'signature' })).toMatchObject({ changed: true })
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    await r.fetch()
    expect(await r.checkout('main', { verify: 'signature' })).toMatchObject({ changed: true })
  })
  test('that are shown by git log do not hide who has moved a branch', async () => {
    s.git('app', 'config', 'log.showSignature', 'true')
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    const before = await r.snapshot('main')
    await r.fetch()
    await r.checkout('main', {}, before)
    await r.restore('main', before)
    await r.verify('main', before)
  })
  test('a key that is not trusted is no good', async () => {
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    s.write('signers', '')
    await r.fetch()
    await fails(r.checkout('main', { verify: 'signature' }), { code: 'signature-missing' })
  })
})

describe('check', () => {
  test('tells from where to where, moves nothing, and sees the same as long as nothing moves', async () => {
    const one = r.head()
    const refs = s.git('app', 'for-each-ref')
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    const [first] = await r.check('main')
    expect(first).toEqual({
      text: `HEAD main ${one.slice(0, 12)} -> main ${two.slice(0, 12)} (commits not fetched yet)`,
      seen: { head: { sha: one, branch: 'main' }, target: two, branch: 'main' },
    })
    expect(s.git('app', 'for-each-ref')).toBe(refs)
    await r.fetch()
    const [second] = await r.check('main')
    expect(second?.text).toContain('(1 forward)')
    expect(second?.seen).toEqual(first?.seen)
  })
  test('tells what would be refused', async () => {
    s.git('up', 'commit', '-q', '--amend', '-m', 'other')
    await r.fetch()
    expect((await r.check('main'))[0]?.failure).toMatchObject({ code: 'history-rewritten' })
    expect((await r.check('nope'))[0]?.failure).toMatchObject({ code: 'ref-not-found' })
  })
})

function own(path: string): void {
  chownSync(path, 65534, 65534)
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) own(`${path}/${name}`)
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('it did not come about')
}
