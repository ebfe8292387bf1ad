/** Which commits a caller may choose, and what is theirs to name. */
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isAmong } from '../../src/steps/git/published.ts'
import { type Checkout, checkoutRig, fails } from '../rig/checkout.ts'

let r: Checkout
let s: Checkout['s']
/** A commit of a pull request: the remote hands it out, no branch and no tag holds it. */
let request: string
beforeEach(() => {
  r = checkoutRig()
  s = r.s
  s.git('up', 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  s.git('up', 'checkout', '-q', '--detach')
  request = s.commit('up', { 'app.txt': 'evil\n' }, 'request')
  s.git('up', 'update-ref', 'refs/pull/7/head', request)
  s.git('up', 'checkout', '-q', 'main')
})
afterEach(() => s.remove())

const unpublished = { code: 'ref-not-published' }

describe('what nobody has published is refused, and nothing moves', () => {
  const refused = async (ref: string, expected: object = unpublished) => {
    const one = r.head()
    await r.fetch()
    expect((await r.check(ref))[0]?.failure).toMatchObject(expected)
    await fails(r.checkout(ref), expected)
    expect([r.head(), r.branch(), s.git('app', 'status', '--porcelain')]).toEqual([
      one,
      'refs/heads/main',
      '',
    ])
  }
  test('the commit of a pull request', () => refused(request))
  test('by its short name, once it is there', async () => {
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
    await refused(request.slice(0, 12))
  })
  test('refs/pull/7/head', () => refused('refs/pull/7/head'))
  test('FETCH_HEAD', async () => {
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
    await refused('FETCH_HEAD')
  })
  test('HEAD, although somebody has published a branch of that name', async () => {
    s.git('up', 'update-ref', 'refs/heads/HEAD', 'main')
    await refused('HEAD', { code: 'ref-not-found' })
    await refused('refs/heads/HEAD', { code: 'ref-not-found' })
  })
  test('a remote branch that a setting of the checkout makes of pull requests', async () => {
    s.git('app', 'fetch', '-q', 'origin', '+refs/pull/*/head:refs/remotes/origin/pr/*')
    await refused('pr/7')
  })
  test('a branch and a tag that exist only here', async () => {
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head:refs/heads/own', 'refs/pull/7/head:refs/tags/v7')
    await refused('own')
    await refused('v7')
  })
  test('a commit that was only there before a branch was wound back', async () => {
    s.git('up', 'branch', 'gone', request)
    await r.fetch()
    s.git('up', 'branch', '-D', 'gone')
    await refused(request)
  })
  test('a commit of the local branch, which pull: none stays at', async () => {
    const own = s.commit('app', { 'app.txt': 'own\n' }, 'own')
    s.git('app', 'checkout', '-q', '--detach', 'HEAD~1')
    const one = r.head()
    await r.fetch()
    const stay = { pull: 'none' }
    expect((await r.check('main', stay))[0]).toMatchObject({ seen: { target: own }, failure: unpublished })
    await fails(r.checkout('main', stay), unpublished)
    expect(r.head()).toBe(one)
    expect(await r.checkout('main', { ...stay, unpublished: true })).toMatchObject({ outputs: { sha: own } })
  })
  test('a commit to which a graft of the checkout gives a published child', async () => {
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
    s.write('app/.git/info/grafts', `${r.head()} ${request}\n`)
    await refused(request)
  })
  test('in a shallow clone as well', async () => {
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    execFileSync('rm', ['-rf', s.path('app')])
    s.clone('up', 'app', '--depth', '1')
    await refused(request)
  })
  test('a remote that is only a folder of the tree', async () => {
    s.git('app', 'clone', '-q', '--bare', '.', 'vendor')
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
    s.git('app/vendor', 'fetch', '-q', s.path('app/.git'), `${request}:refs/heads/main`)
    const none = { code: 'fetch-failed', detail: 'there is no remote vendor' }
    for (const ref of [request, 'main']) {
      expect((await r.check(ref, { remote: 'vendor' }))[0]?.failure).toMatchObject(none)
      await fails(r.checkout(ref, { remote: 'vendor' }), none)
    }
  })
  test('names with a colon are no refs', async () => {
    for (const ref of ['x:refs/replace/y', ':main', '+main'])
      if (ref !== '+main') expect(() => r.checkout(ref)).toThrow(/never an option/)
  })
})

describe('what is published may be chosen', () => {
  test('a commit that came after the last fetch', async () => {
    await r.fetch()
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    expect((await r.check(two))[0]).not.toHaveProperty('failure')
    expect(await r.checkout(two)).toMatchObject({ outputs: { sha: two } })
  })
  test('a commit whose name is that of a file in the tree', async () => {
    const one = r.head()
    s.commit('up', { [one]: '' }, 'two')
    await r.fetch()
    await r.checkout('main')
    expect(await r.checkout(one)).toMatchObject({ outputs: { sha: one } })
  })
  test('any commit where the playbook says so', async () => {
    expect(await r.checkout(request, { unpublished: true })).toMatchObject({ outputs: { sha: request } })
  })
  test('any commit of a repository without a remote', async () => {
    const two = s.commit('app', { 'app.txt': 'two\n' }, 'two')
    s.git('app', 'reset', '-q', '--hard', 'HEAD~1')
    s.git('app', 'remote', 'remove', 'origin')
    s.git('app', 'branch', 'next', two)
    for (const ref of [two, 'next']) {
      expect(await r.check(ref)).toMatchObject([{ seen: { target: two } }])
      expect(await r.checkout(ref)).toMatchObject({ outputs: { sha: two } })
    }
  })
  test('a rollback goes to the commit that it recorded, published or not', async () => {
    s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
    s.git('app', 'checkout', '-q', '--detach', request)
    const before = await r.snapshot('main')
    await r.fetch()
    await r.checkout('main', {}, before)
    await r.restore('main', before)
    await r.verify('main', before)
    expect(r.head()).toBe(request)
  })
  test('of an annotated tag that was moved here what the remote has, and what it has moved itself', async () => {
    const one = r.head()
    s.git('up', 'tag', '-a', '-m', 'v1', 'v1')
    s.git('app', 'fetch', '-q', '--tags', 'origin', 'refs/pull/7/head')
    s.git('app', 'tag', '-a', '-f', '-m', 'v1', 'v1', request)
    await r.fetch()
    expect(await r.checkout('v1')).toMatchObject({ outputs: { sha: one } })
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.git('up', 'tag', '-a', '-f', '-m', 'v1', 'v1')
    expect(await r.fetch()).toMatchObject({ outputs: { movedTags: ['v1'] } })
    expect(await r.checkout('v1')).toMatchObject({ outputs: { sha: two } })
  })
})

test('a tag that was never fetched by hostops is where the remote has it, in a check and in a run', async () => {
  const one = r.head()
  s.git('up', 'tag', 'v1')
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  s.git('app', 'fetch', '-q', '--no-tags')
  s.git('app', 'tag', 'v1', two)
  expect(await r.check('v1')).toMatchObject([{ seen: { target: one } }])
  expect(await r.checkout('v1')).toMatchObject({ outputs: { sha: one } })
})

describe('refs: which branches and tags may be chosen', () => {
  test.each([
    ['tags/v1', ['tags/v*'], true],
    ['tags/v1', ['refs/tags/v*'], true],
    ['heads/v1', ['tags/v*'], false],
    ['tags/v1/x', ['tags/v*'], false],
    ['tags/v1/x', ['tags/v**'], true],
    ['tags/xv1', ['tags/v*'], false],
    ['heads/main', ['tags/v*', 'heads/main'], true],
    ['heads/main2', ['heads/main'], false],
    ['heads/a+b', ['heads/a+b'], true],
    ['heads/aab', ['heads/a+b'], false],
    ['heads/mxin', ['heads/m.in'], false],
  ])('%s among %j: %s', (name, globs, is) => expect(isAmong(name, globs)).toBe(is))

  test('a tag, a branch and the commit of an allowed tag; nothing else', async () => {
    const refs = ['tags/v*']
    const one = r.head()
    s.git('up', 'tag', '-a', '-m', 'v1', 'v1')
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.git('up', 'branch', 'v2')
    await r.fetch()
    for (const ref of ['main', 'v2', two, two.slice(0, 10)]) {
      await fails(r.checkout(ref, { refs }), { code: 'ref-not-allowed', refs })
      expect((await r.check(ref, { refs }))[0]?.failure).toMatchObject({ code: 'ref-not-allowed' })
    }
    expect([r.head(), r.branch()]).toEqual([one, 'refs/heads/main'])
    await r.checkout('v1', { refs })
    await r.checkout(one, { refs })
    expect(r.head()).toBe(one)
  })
})

test('refs: a tag that exists only here counts as the fetched refs of its commit', async () => {
  const refs = ['tags/v*']
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  await r.fetch()
  s.git('app', 'tag', 'v9', two)
  await fails(r.checkout('v9', { refs }), { code: 'ref-not-allowed' })
  await fails(r.checkout('v9', { refs, unpublished: true }), { code: 'ref-not-allowed' })
  s.git('up', 'tag', 'v2')
  await r.fetch()
  expect(await r.checkout('v9', { refs })).toMatchObject({ outputs: { sha: two } })
  s.git('app', 'remote', 'remove', 'origin')
  expect(await r.checkout('v9', { refs })).toMatchObject({ changed: false })
})

test('a replaced object changes nothing that is checked out, verified or reported', async () => {
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  await r.fetch()
  s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
  s.git('app', 'update-ref', `refs/replace/${two}`, request)
  expect(s.git('app', 'show', `${two}:app.txt`)).toBe('evil')
  const before = await r.snapshot('main')
  expect(await r.checkout('main', {}, before)).toMatchObject({
    facts: { afterSha: two },
    outputs: { commits: 1 },
  })
  expect(s.read('app/app.txt')).toBe('two\n')
  expect(await r.dirty()).toMatchObject({ outputs: { dirty: false } })
  await r.restore('main', before)
  await r.verify('main', before)
})

test('a branch that is named like the commit is not checked out in its place', async () => {
  const one = r.head()
  const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
  await r.fetch()
  s.git('app', 'fetch', '-q', 'origin', 'refs/pull/7/head')
  for (const sha of [one, two]) s.git('app', 'update-ref', `refs/heads/${sha}`, request)
  const before = await r.snapshot('main')
  for (const ref of [two, 'main']) {
    expect(await r.checkout(ref, {}, before)).toMatchObject({ outputs: { sha: two } })
    expect([s.read('app/app.txt'), s.git('app', 'status', '--porcelain')]).toEqual(['two\n', ''])
  }
  await r.restore('main', before)
  expect([r.head(), s.read('app/app.txt')]).toEqual([one, 'one\n'])
})

describe('signatures: what .git/config says of trust is not asked', () => {
  beforeEach(() => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', s.path('key')])
    s.write('signers', `a@example.invalid ${s.read('key.pub')}`)
    s.git('up', 'config', 'gpg.format', 'ssh')
    s.git('up', 'config', 'user.signingKey', s.path('key.pub'))
  })
  const signed = async (ref: string) => r.checkout(ref, { verify: 'signature' })

  test('its signers and its program', async () => {
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    s.git('up', 'tag', '-s', '-m', 'x', 'v1')
    await r.fetch()
    s.git('app', 'config', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    execFileSync('sh', [
      '-c',
      'printf "#!/bin/sh\\ntouch %s\\necho Good\\n" "$2" >"$1"; chmod +x "$1"',
      'sh',
      s.path('yes'),
      s.path('pwned'),
    ])
    for (const key of ['gpg.ssh.program', 'gpg.program']) s.git('app', 'config', key, s.path('yes'))
    for (const ref of ['main', 'v1']) await fails(signed(ref), { code: 'signature-missing' })
    expect(() => s.read('pwned')).toThrow()
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    s.git('app', 'config', '--unset', 'gpg.ssh.allowedSignersFile')
    expect(await signed('v1')).toMatchObject({ changed: true })
  })
  test('a value that goes on with a line of the global configuration', async () => {
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    await r.fetch()
    const line = `global\tgpg.ssh.allowedsignersfile ${s.path('signers')}`
    s.git('app', 'config', 'gpg.ssh.allowedSignersFile', `/dev/null\n${line}`)
    await fails(signed('main'), { code: 'signature-missing' })
  })
  test('a signed tag under another name is not signed', async () => {
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    s.git('up', 'tag', '-s', '-m', 'old', 'v1')
    s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.git('up', 'update-ref', 'refs/tags/v2', s.git('up', 'rev-parse', 'v1'))
    await r.fetch()
    await fails(signed('v2'), { code: 'signature-missing', detail: expect.stringContaining('v1') })
    await signed('v1')
  })
  test('nor is a local branch behind a signed commit that pull: none leaves there', async () => {
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    s.git('app', 'checkout', '-q', '--detach')
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    await r.fetch()
    const stay = { pull: 'none', verify: 'signature' }
    await fails(r.checkout('main', stay), { code: 'signature-missing' })
    await signed('main')
    expect(await r.checkout('main', stay)).toMatchObject({ changed: false })
  })
  test('nor is a commit that exists only here, whatever ref leads to it', async () => {
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    s.git('up', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed')
    s.git('up', 'tag', '-s', '-m', 'x', 'v1')
    await r.fetch()
    await signed('main')
    const good = r.head()
    const own = s.commit('app', { 'app.txt': 'own\n' }, 'own')
    const refused = (ref: string) =>
      fails(r.checkout(ref, { pull: 'none', verify: 'signature', unpublished: true }), {
        code: 'signature-missing',
      })
    await refused('main')
    s.git('app', 'checkout', '-q', '--detach', good)
    // A branch that holds the signed tag object, as no git would make it.
    s.write('app/.git/refs/hostops/origin/heads/v1', `${s.git('up', 'rev-parse', 'v1')}\n`)
    s.git('app', 'update-ref', '-d', 'refs/hostops/origin/tags/v1')
    for (const name of ['heads/side', 'tags/v2', 'heads/v1', 'hostops/origin/heads/main'])
      s.git('app', 'update-ref', `refs/${name}`, own)
    for (const ref of ['main', own, 'side', 'v2', 'v1', 'refs/heads/v1']) await refused(ref)
    expect(r.head()).toBe(good)
  })
  test('nor is a commit that a signed one replaces', async () => {
    s.git('app', 'config', '--global', 'gpg.ssh.allowedSignersFile', s.path('signers'))
    const plain = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    s.git('up', 'commit', '-q', '--amend', '-S', '-m', 'signed')
    const good = s.git('up', 'rev-parse', 'HEAD')
    s.git('up', 'branch', 'plain', plain)
    await r.fetch()
    s.git('app', 'update-ref', `refs/replace/${plain}`, good)
    await fails(signed('plain'), { code: 'signature-missing' })
  })
})
