/**
 * What a new commit brings along is written by whoever can push: nothing of it may run on the host, whatever this
 * user's own configuration would allow. What stands in .git/config is the host owner's; hooks are left out all the same.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { repoAt } from '../../src/steps/git/git.ts'
import { treeDiff } from '../../src/steps/git/tree-diff.ts'
import { type Checkout, checkoutRig, failure } from '../rig/checkout.ts'

let r: Checkout
let s: Checkout['s']
beforeEach(() => {
  r = checkoutRig()
  s = r.s
  // The most careless owner there is.
  s.git('app', 'config', '--global', 'protocol.ext.allow', 'always')
})
afterEach(() => s.remove())

const touch = () => `touch ${s.path('pwned')}`
const program = (path: string) => {
  s.write(path, `#!/bin/sh\n${touch()}\n`)
  chmodSync(s.path(path), 0o755)
  return s.path(path)
}
const proveThatItWouldRun = (argv: string[]) => {
  try {
    s.git('app', ...argv)
  } catch {
    // What it touched counts.
  }
}

/** A submodule as no client of git would add it. */
function pushSubmodule(modules: string): void {
  const sha = s.init('lib')
  s.write('up/.gitmodules', modules)
  s.git('up', 'add', '.gitmodules')
  s.git('up', 'update-index', '--add', '--cacheinfo', `160000,${sha},lib`)
  s.git('up', 'commit', '-q', '-m', 'hostile')
}

describe('a submodule of the new commit', () => {
  test.each<[string, () => string]>([
    ['a program (ext::)', () => `ext::sh -c ${touch().replace(' ', '% ')}`],
    ['an option of fetch', () => `--upload-pack=${touch()}`],
    ['an option of ssh', () => `ssh://-oProxyCommand=${touch().replace(' ', '%20')}/x`],
    ['an option of ssh, as scp writes it', () => `-oProxyCommand=${touch()}:x`],
  ])('with a URL of %s', async (_what, url) => {
    pushSubmodule(`[submodule "lib"]\n\tpath = lib\n\turl = "${url()}"\n`)
    await r.fetch()
    const one = r.head()
    expect(await failure(r.checkout('main'))).toMatchObject({ code: 'modules-unsafe' })
    expect([r.head(), s.git('app', 'status', '--porcelain')]).toEqual([one, ''])
    expect(existsSync(s.path('pwned'))).toBe(false)
  })

  test('with a command as its way to update', async () => {
    pushSubmodule(
      `[submodule "lib"]\n\tpath = lib\n\turl = file://${s.path('lib')}\n\tupdate = "!${touch()}"\n`,
    )
    await r.fetch()
    expect(await failure(r.checkout('main'))).toMatchObject({ code: 'modules-unsafe' })
    expect((await r.check('main'))[0]?.failure).toMatchObject({ code: 'modules-unsafe' })
    expect(s.git('app', 'status', '--porcelain')).toBe('')
    expect(existsSync(s.path('pwned'))).toBe(false)
  })

  test.each([
    ['a path out of the tree', 'path = ../lib'],
    ['a path that is an option', 'path = --x'],
    ['a path into .git', 'path = lib/.GIT/hooks'],
    ['a URL with a line break', 'url = "https://example.invalid/a\\nb"'],
    ['no value', 'update'],
    ['what is no boolean', 'shallow = perhaps'],
    ['what is no answer either', 'fetchRecurseSubmodules = perhaps'],
    ['a syntax error', '= ='],
    ['a line break behind which a setting seems to begin', 'update = "checkout\\nsubmodule.x"'],
    ['a number of jobs that is none', '[submodule]\n\tfetchJobs = -1'],
    ['what stops each fetch', '[fetch]\n\trecurseSubmodules = perhaps'],
    ['a name that git cuts short', '[submodule "lib\r"]\n\tpath = lib'],
    ['a path that ends in a control character', 'path = "lib\r"'],
  ])('with %s', async (_what, line) => {
    pushSubmodule(`[submodule "lib"]\n\tpath = lib\n\turl = file://${s.path('lib')}\n\t${line}\n`)
    await r.fetch()
    expect(await failure(r.checkout('main', { submodules: false }))).toMatchObject({ code: 'modules-unsafe' })
    expect(s.git('app', 'status', '--porcelain')).toBe('')
  })

  test('whose .gitmodules gets another encoding in the work tree', async () => {
    pushSubmodule(`[submodule "lib"]\n\tpath = lib\n\turl = file://${s.path('lib')}\n`)
    s.write('up/.gitattributes', '.gitmodules working-tree-encoding=UTF-16LE\n')
    const blob = s.git('up', 'hash-object', '-w', '.gitattributes')
    s.git('up', 'update-index', '--add', '--cacheinfo', `100644,${blob},.gitattributes`)
    s.git('up', 'commit', '-q', '-m', 'encoded')
    await r.fetch()
    const one = r.head()
    expect(await failure(r.checkout('main'))).toMatchObject({ code: 'modules-unsafe' })
    expect([r.head(), s.git('app', 'status', '--porcelain')]).toEqual([one, ''])
  })

  test('whose .gitmodules is a link', async () => {
    const blob = s.git('up', 'rev-parse', 'HEAD:app.txt')
    const input = `120000 blob ${blob}\t.gitmodules\n100644 blob ${blob}\tapp.txt\n`
    const tree = execFileSync('git', ['-C', s.path('up'), 'mktree'], { env: s.env, encoding: 'utf8', input })
    const commit = s.git('up', 'commit-tree', tree.trim(), '-p', 'HEAD', '-m', 'link')
    s.git('up', 'update-ref', 'refs/heads/main', commit)
    await r.fetch()
    expect(await failure(r.checkout('main'))).toMatchObject({ code: 'modules-unsafe' })
  })

  test('that came without hostops does not stop the way back', async () => {
    const before = await r.snapshot('main')
    pushSubmodule(
      `[submodule "lib"]\n\tpath = lib\n\turl = file://${s.path('lib')}\n\tupdate = "!${touch()}"\n`,
    )
    s.git('app', 'fetch', '-q')
    s.git('app', 'merge', '-q', '--ff-only', 'origin/main')
    s.git('app', 'update-ref', '-m', before.mark, 'refs/heads/main', 'HEAD', 'HEAD')
    s.git('app', 'checkout', '-q', '--detach')
    s.git('app', 'update-ref', '-m', before.mark, 'refs/heads/main', before.sha)
    expect(() => s.git('app', 'status')).toThrow(/invalid value/)
    const differing = await treeDiff(r.ctx, repoAt(s.path('app')), before.sha, 'HEAD')
    expect(differing.raw).toMatch(/^:000000 100644 0+ [0-9a-f]{40} M\t\.gitmodules\n:000000 160000 .*\tlib$/)
    await r.restore('main', before)
    await r.verify('main', before)
    expect([r.head(), r.branch()]).toEqual([before.sha, 'refs/heads/main'])
    expect(existsSync(s.path('pwned'))).toBe(false)
  })

  test('whose own submodule has a command as its way to update: the way back works', async () => {
    const inner = s.init('inner')
    s.init('lib')
    const before = await r.snapshot('main')
    s.write('lib/.gitmodules', `[submodule "x"]\n\tpath = x\n\turl = file://x\n\tupdate = "!${touch()}"\n`)
    s.git('lib', 'add', '.gitmodules')
    s.git('lib', 'update-index', '--add', '--cacheinfo', `160000,${inner},x`)
    s.git('lib', 'commit', '-q', '-m', 'hostile')
    s.git('up', 'submodule', '-q', 'add', `file://${s.path('lib')}`, 'lib')
    s.git('up', 'commit', '-q', '-m', 'with lib')
    await r.fetch()
    expect(await failure(r.checkout('main', {}, before))).toMatchObject({ code: 'command-failed' })
    await r.restore('main', before)
    await r.verify('main', before)
    expect([r.head(), s.git('app', 'status', '--porcelain')]).toEqual([before.sha, ''])
    expect(existsSync(s.path('pwned'))).toBe(false)
  })

  test('that is there already and turns so: the way back works', async () => {
    const inner = s.init('inner')
    s.init('lib')
    s.git('up', 'submodule', '-q', 'add', `file://${s.path('lib')}`, 'lib')
    s.git('up', 'commit', '-q', '-m', 'with lib')
    await r.fetch()
    await r.checkout('main')
    const before = await r.snapshot('main')
    s.write('up/lib/.gitmodules', `[submodule "x"]\n\tpath = x\n\turl = file://x\n\tupdate = "!${touch()}"\n`)
    s.git('up/lib', 'add', '.gitmodules')
    s.git('up/lib', 'update-index', '--add', '--cacheinfo', `160000,${inner},x`)
    s.git('up/lib', 'commit', '-q', '-m', 'hostile')
    s.git('up/lib', 'push', '-q', 'origin', 'HEAD:refs/heads/next')
    s.git('lib', 'symbolic-ref', 'HEAD', 'refs/heads/next')
    s.git('up', 'add', 'lib')
    s.git('up', 'commit', '-q', '-m', 'newer lib')
    await r.fetch()
    expect(await failure(r.checkout('main', {}, before))).toMatchObject({ code: 'command-failed' })
    await r.restore('main', before)
    await r.verify('main', before)
    expect([r.head(), s.git('app', 'status', '--porcelain')]).toEqual([before.sha, ''])
    expect(existsSync(s.path('pwned'))).toBe(false)
  })

  test('with a name that leads out of .git/modules', async () => {
    const name = '../../../hooks-of-mine'
    pushSubmodule(`[submodule "${name}"]\n\tpath = lib\n\turl = file://${s.path('lib')}\n`)
    await r.fetch()
    expect(await failure(r.checkout('main'))).toMatchObject({ code: 'modules-unsafe' })
    expect(existsSync(s.path('hooks-of-mine'))).toBe(false)
  })
})

test('a remote of ext::', async () => {
  s.git('app', 'remote', 'set-url', 'origin', `ext::sh -c ${touch().replace(' ', '% ')}`)
  proveThatItWouldRun(['fetch', '-q', 'origin'])
  expect(existsSync(s.path('pwned'))).toBe(true)
  rmSync(s.path('pwned'))
  expect(await failure(r.fetch())).toMatchObject({ code: 'fetch-failed' })
  expect(existsSync(s.path('pwned'))).toBe(false)
})

test('hooks, also those of the new commit in a folder that the configuration names', async () => {
  for (const hook of ['post-checkout', 'post-merge', 'reference-transaction', 'post-index-change'])
    for (const folder of ['app/.git/hooks', 'up/.githooks']) program(`${folder}/${hook}`)
  s.commit('up', { 'app.txt': 'two\n' }, 'two')
  s.git('app', 'config', 'core.hooksPath', '.githooks')
  await r.fetch()
  await r.checkout('main')
  s.git('app', 'config', '--unset', 'core.hooksPath')
  s.commit('up', { 'app.txt': 'three\n' }, 'three')
  await r.fetch()
  await r.checkout('main')
  expect(existsSync(s.path('app/.githooks/post-checkout'))).toBe(true)
  expect(existsSync(s.path('pwned'))).toBe(false)
  proveThatItWouldRun(['-c', 'core.hooksPath=.githooks', 'checkout', '-q', '--detach', 'HEAD~1'])
  expect(existsSync(s.path('pwned'))).toBe(true)
})

test('a file system monitor, a pager, attributes that name drivers which nobody has configured', async () => {
  const evil = program('evil')
  s.git('app', 'config', 'core.fsmonitor', evil)
  s.git('app', 'config', 'core.pager', evil)
  s.git('app', 'config', 'core.editor', evil)
  s.git('app', 'config', 'diff.external', evil)
  s.commit('up', { 'app.txt': 'two\n', '.gitattributes': '* filter=evil diff=evil merge=evil\n' }, 'two')
  await r.fetch()
  await r.check('main')
  await r.checkout('main')
  expect(s.read('app/app.txt')).toBe('two\n')
  expect(existsSync(s.path('pwned'))).toBe(false)
})
