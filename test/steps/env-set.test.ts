/** Env files as people have them, changed and put back; what Compose reads from them is asked of Compose. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { envSet } from '../../src/steps/env/env-set.ts'
import { quoteEnvValue } from '../../src/steps/env/quote-value.ts'
import { fails } from '../rig/checkout.ts'
import { hostopsRig } from '../rig/hostops.ts'
import { asUser } from '../rig/other-user.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find(path => existsSync(path))
const APPLETS = [
  'sh',
  'id',
  'awk',
  'cp',
  'mv',
  'rm',
  'cat',
  'cmp',
  'tr',
  'find',
  'tail',
  'grep',
  'stat',
  'mktemp',
]

/** The tools of a Debian host, and those of a small one. */
const TOOLS = ['the tools of this machine', ...(BUSYBOX === undefined ? [] : ['busybox'])] as const

describe.each(TOOLS)('env.set with %s', tools => {
  let dir: string
  let state: string
  let ctx: Rig
  const path = () => join(dir, '.env')
  const write = (text: string | Buffer) => writeFileSync(path(), text)
  const read = () => readFileSync(path(), 'utf8')
  const input = (set: Record<string, string>, more: object = {}) =>
    envSet.schema().parse({ dir, set, ...more })
  const begin = async (set: Record<string, string>) => {
    const given = input(set)
    const before = await envSet.act.snapshot!(ctx, given)
    const result = await envSet.act.run(ctx, given, before)
    const back = async () => {
      const restored = await envSet.undo!.restore!(ctx, given, before)
      await envSet.undo!.verify!(ctx, given, before)
      return restored
    }
    return { given, before, result, back }
  }
  const unusable = (why: string) => ({ code: 'env-file-unusable', path: path(), why })

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hostops-env-'))
    state = mkdtempSync(join(tmpdir(), 'hostops-env-state-'))
    const bin = join(state, 'bin')
    mkdirSync(bin)
    if (tools === 'busybox')
      for (const applet of [...APPLETS, 'sync', 'mkdir', 'test', 'ls'])
        symlinkSync(BUSYBOX!, join(bin, applet))
    const PATH = tools === 'busybox' ? bin : process.env['PATH']!
    ctx = stepContext({ env: { XDG_STATE_HOME: state, PATH } })
  })
  afterEach(() => {
    chmodSync(dir, 0o755)
    rmSync(dir, { recursive: true, force: true })
    rmSync(state, { recursive: true, force: true })
  })

  test('changes one line, and keeps comments, order, mode and line ends', async () => {
    const text = '# the gateway\nA=1\n\nOPENCLAW_IMAGE=openclaw:1 # pinned\n#OPENCLAW_IMAGE=old\n  Z = last\n'
    write(text)
    chmodSync(path(), 0o640)
    const { result, back } = await begin({ OPENCLAW_IMAGE: 'registry.example/openclaw:2' })
    expect(result).toMatchObject({ changed: true, outputs: { keys: ['OPENCLAW_IMAGE'] } })
    expect(read()).toBe(text.replace('=openclaw:1', '=registry.example/openclaw:2'))
    expect(statSync(path()).mode & 0o777).toBe(0o640)
    expect(ctx.seen).toMatchObject([{ what: 'files', target: path(), saw: 'OPENCLAW_IMAGE set', ok: true }])
    expect(await back()).toEqual({ changed: true })
    expect(read()).toBe(text)
    expect(statSync(path()).mode & 0o777).toBe(0o640)
    expect(ctx.seen.at(-1)).toMatchObject({ saw: 'OPENCLAW_IMAGE as before', ok: true })
    expect(await back()).toEqual({ changed: false })
    expect(readdirSync(dir)).toEqual(['.env'])
  })

  test.each([
    ['CRLF', 'A=1\r\nK=old\r\nB=2\r\n', 'A=1\r\nK=new\r\nB=2\r\nN=x\r\n'],
    ['no newline at the end', 'A=1\nK=old', 'A=1\nK=new\nN=x'],
    ['no newline at the end of another line', 'K=old\nA=1', 'K=new\nA=1\nN=x'],
    ['an empty file', '', 'K=new\nN=x\n'],
    ['a key that is there twice', 'K=1\nA=1\nK=2\n', 'K=1\nA=1\nK=new\nN=x\n'],
    ['export, spaces and a tab', '\texport K =  old\n', '\texport K =  new\nN=x\n'],
    ['a value over lines', 'K="a\nN=no\nb" # c\nA=1\n', 'K=new # c\nA=1\nN=x\n'],
    ['an empty value with a comment', 'K= # none\n', 'K=new # none\nN=x\n'],
    ['a quoted value with an escaped quote', "K='it\\'s'\nA=1\n", 'K=new\nA=1\nN=x\n'],
    ['keys that only begin alike', 'KK=1\nK.K=1\nxK=1\n#K=1\n', 'KK=1\nK.K=1\nxK=1\n#K=1\nK=new\nN=x\n'],
    ['bytes that are no UTF-8', 'A=\xff\nK=old\n', 'A=\xff\nK=new\nN=x\n'],
  ])('%s', async (_what, text, wanted) => {
    write(Buffer.from(text, 'latin1'))
    const { back } = await begin({ K: 'new', N: 'x' })
    expect(readFileSync(path(), 'latin1')).toBe(wanted)
    await back()
    expect(readFileSync(path(), 'latin1')).toBe(text)
  })

  test('edits of others in other lines survive the way back', async () => {
    write('A=1\nK=old\n')
    const { back } = await begin({ K: 'new', N: 'x' })
    write(`B=0\n${read().replace('A=1', 'A=2')}C=3\n`)
    expect(await back()).toEqual({ changed: true })
    expect(read()).toBe('B=0\nA=2\nK=old\nC=3\n')
  })

  test('a key that somebody else has changed since is left as found, and named', async () => {
    write('A=1\nK=old\n')
    const { back, given, before } = await begin({ K: 'new', A: '2' })
    write('A=2\nK=theirs\n')
    await fails(back(), { code: 'env-keys-differ', path: path(), keys: ['K'] })
    expect(read()).toBe('A=1\nK=theirs\n')
    await fails(envSet.undo!.verify!(ctx, given, before), { code: 'env-keys-differ', keys: ['K'] })
    expect(ctx.seen.at(-1)).toMatchObject({ what: 'files', saw: 'K not as before', ok: false })
  })

  test('what is set already is not written again; another runner sees whether it still holds', async () => {
    write('K=new\n')
    const { ino } = statSync(path())
    const { result, given, before, back } = await begin({ K: 'new' })
    expect(result).toMatchObject({ changed: false, outputs: { keys: [] } })
    expect(statSync(path()).ino).toBe(ino)
    await envSet.look!.holds!(ctx, given, {}, before)
    write('K=other\n')
    await fails(envSet.look!.holds!(ctx, given, {}, before), { code: 'env-keys-differ', keys: ['K'] })
    write('K=new\n')
    expect(await back()).toEqual({ changed: false })
  })

  test('a step that is done again keeps what was there before the first time', async () => {
    write('K=old\n')
    const given = input({ K: 'new' })
    const before = await envSet.act.snapshot!(ctx, given)
    await envSet.act.run(ctx, given, before)
    expect(await envSet.act.snapshot!(ctx, given)).toEqual(before)
    expect(await envSet.act.run(ctx, given, before)).toMatchObject({ changed: false })
    await envSet.undo!.restore!(ctx, given, before)
    expect(read()).toBe('K=old\n')
  })

  test('a missing file, a link, a folder and a file of zeros are refused, and nothing is made', async () => {
    const given = input({ K: 'new' })
    const refused = (why: string) => fails(envSet.act.snapshot!(ctx, given), unusable(why))
    await refused('missing')
    expect(readdirSync(dir)).toEqual([])
    mkdirSync(path())
    await refused('not-a-file')
    rmSync(path(), { recursive: true })
    writeFileSync(join(dir, 'real'), 'K=old\n')
    symlinkSync('real', path())
    await refused('symlink')
    await fails(envSet.look!.check!(ctx, given), unusable('symlink'))
    rmSync(path())
    linkSync(join(dir, 'real'), path())
    await refused('hard-link')
    rmSync(path())
    write('K=\0\n')
    await refused('binary')
    expect(read()).toBe('K=\0\n')
  })

  test('a check tells keys and never values, and sees when they have changed', async () => {
    write('K=value-before\nS=same\n')
    const given = input({ K: 'value-after', S: 'same' })
    const [first] = await envSet.look!.check!(ctx, given)
    expect(first!.text).toBe(`${path()}: K would be set, S is set to that already`)
    write('K=value-after\nS=same\n')
    const [second] = await envSet.look!.check!(ctx, given)
    expect(second!.seen).not.toEqual(first!.seen)
    expect(JSON.stringify([first, second])).not.toContain('value-')
    expect(read()).toBe('K=value-after\nS=same\n')
  })

  test('values are in no argument and in no output; the copy is for its owner only', async () => {
    write('K=value-before\n')
    const { before, result, back } = await begin({ K: 'value-after' })
    await back()
    expect(JSON.stringify(ctx.ran.map(({ argv }) => argv))).not.toContain('value-')
    expect(JSON.stringify([before, result, ctx.said, ctx.seen])).not.toContain('value-')
    expect(before.folder.startsWith(state)).toBe(true)
    expect(statSync(before.folder).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(before.folder))
      expect(statSync(join(before.folder, name)).mode & 0o777).toBe(0o600)
  })

  test('copies of older runs go', async () => {
    write('K=old\n')
    const { before, given } = await begin({ K: 'new' })
    const [part, run] = before.folder.split('/').reverse() as [string, string]
    const stack = before.folder.split('/').slice(0, -2).join('/')
    for (let n = 1; n <= 102; n += 1) {
      execFileSync('cp', ['-a', join(stack, run), join(stack, `run-${n}`)])
      utimesSync(join(stack, `run-${n}`), new Date(), new Date(Date.now() - n * 3_600_000))
    }
    await envSet.undo!.tidy!(ctx, given, before, false)
    const kept = readdirSync(stack).filter(name => existsSync(join(stack, name, part)))
    // As many as compose.up can be told to keep: the way back of each of those needs its env file.
    expect(kept).toHaveLength(100)
    expect(kept).toContain(run)
    expect(kept).not.toContain('run-100')
  })

  test.skipIf(process.getuid?.() !== 0 || tools === 'busybox')(
    'another owner keeps the file; who cannot write it is told',
    async () => {
      write('K=old\n')
      execFileSync('chown', ['1234:4321', path()])
      const { back } = await begin({ K: 'new' })
      expect(statSync(path())).toMatchObject({ uid: 1234, gid: 4321 })
      await back()
      expect(statSync(path())).toMatchObject({ uid: 1234, gid: 4321 })
      chmodSync(dir, 0o755)
      const words = ctx.ran.at(-1)!.argv
      const other = spawnSync(
        'setpriv',
        ['--reuid=65534', '--clear-groups', ...words.slice(0, 4), 'wanted', path(), '-', 'K'],
        { encoding: 'utf8' },
      )
      expect([other.status, other.stdout]).toEqual([9, 'unusable unwritable\n'])
    },
  )
})

const OWNER = 4242

describe.skipIf(process.getuid?.() !== 0)('env.set as root, in a folder of somebody else', () => {
  let top: string
  let ctx: Rig
  const path = () => join(top, 'app/.env')
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'hostops-env-'))
    mkdirSync(join(top, 'app'))
    writeFileSync(path(), 'K=old\n')
    execFileSync('chown', ['-R', `${OWNER}:${OWNER}`, join(top, 'app')])
    ctx = stepContext({ env: { XDG_STATE_HOME: join(top, 'state'), TMPDIR: top } })
  })
  afterEach(() => rmSync(top, { recursive: true, force: true }))
  const given = () => envSet.schema().parse({ dir: join(top, 'app'), set: { K: 'new' } })

  test('it changes the file and puts it back, and all of it stays theirs', async () => {
    // What only root could pass does not stop them.
    chmodSync(top, 0o700)
    const before = await envSet.act.snapshot!(ctx, given())
    await envSet.act.run(ctx, given(), before)
    expect(readFileSync(path(), 'utf8')).toBe('K=new\n')
    await envSet.undo!.restore!(ctx, given(), before)
    await envSet.undo!.verify!(ctx, given(), before)
    expect(readFileSync(path(), 'utf8')).toBe('K=old\n')
    expect(readdirSync(join(top, 'app'))).toEqual(['.env'])
    expect(statSync(path())).toMatchObject({ uid: OWNER, gid: OWNER })
    expect(readdirSync(top)).toEqual(['app', 'state'])
  })

  test('it does there what they could do, and no more', async () => {
    execFileSync('chown', ['0:0', path()])
    chmodSync(path(), 0o644)
    await fails(envSet.act.snapshot!(ctx, given()), { code: 'env-file-unusable', why: 'unwritable' })
    chmodSync(path(), 0o600)
    await fails(envSet.look!.check!(ctx, given()), { code: 'env-file-unusable', why: 'unreadable' })
    expect(readFileSync(path(), 'utf8')).toBe('K=old\n')
  })

  test('a link that they put in the way leads it nowhere', async () => {
    const victim = join(top, 'victim')
    writeFileSync(victim, 'of root\n')
    const swaps = asUser(
      OWNER,
      `const { readdirSync, symlinkSync, unlinkSync } = require('node:fs'); process.chdir(${JSON.stringify(join(top, 'app'))})
      for (;;) for (const name of readdirSync('.')) if (name.startsWith('.hostops-env.'))
        try { unlinkSync(name); symlinkSync(${JSON.stringify(victim)}, name) } catch {}`,
    )
    chmodSync(top, 0o755)
    try {
      for (let round = 0; round < 20; round += 1) {
        const set = { K: `new-${round}` }
        const input = envSet.schema().parse({ dir: join(top, 'app'), set })
        const before = await envSet.act.snapshot!(ctx, input).catch(() => null)
        await envSet.act.run(ctx, input, before).catch(() => null)
      }
      expect(swaps.isAlive()).toBe(true)
    } finally {
      await swaps.end()
    }
    expect(readFileSync(victim, 'utf8')).toBe('of root\n')
  })
})

test('a run that sets a secret and goes back keeps neither the old nor the new value in its records', async () => {
  const rig = hostopsRig()
  try {
    const file = rig.write('stack/.env', 'A=1\nTOKEN=old-token-of-the-gateway\n')
    const steps = [
      { uses: 'env.set', with: { dir: rig.path('stack'), set: { TOKEN: '${{ inputs.token }}' } } },
      { run: ['false'], effect: 'read' },
    ]
    const playbook = rig.playbook('rotate', steps, { inputs: { token: { type: 'secret' } } })
    rig.write('token', 'new $token "of" the gateway')
    const ended = await rig.run(['run', playbook, '-i', `token=@${rig.path('token')}`, '--output', 'json'])
    expect(ended.report, ended.stderr).toMatchObject({ outcome: 'rolled-back', failedStep: 'run' })
    expect(readFileSync(file, 'utf8')).toBe('A=1\nTOKEN=old-token-of-the-gateway\n')
    expect(ended.stderr).toContain('TOKEN as before')
    const told = `${ended.stdout}${ended.stderr}${rig.everythingIn('state/runs')}`
    expect(told).not.toMatch(/old-token|of the gateway|of\W+ the gateway/)
  } finally {
    await rig.remove()
  }
})

const compose = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0

test.skipIf(!compose)('Compose reads every value as it was given', () => {
  const values = [
    ...['plain', 'a b', ' lead', 'trail ', '#x', 'a #b', 'a#b', "it's", 'say "hi"', '$HOME', '${A:-b}', '$$'],
    ...[
      '\\',
      'a\\',
      'a\\nb',
      "'\\'",
      '"',
      "'",
      '`id`',
      '$(id)',
      'é ü',
      'a\nb',
      'a\r\nb\n',
      'x=y',
      'a: b',
      '!',
      '*',
    ],
    ...['', '\\$', '"$A\'', '{"a": [1]}', 'registry.example/app:1@sha256:0', '%0a', '\t', '&|;<>'],
  ]
  const dir = mkdtempSync(join(tmpdir(), 'hostops-env-'))
  try {
    writeFileSync(join(dir, '.env'), values.map((value, at) => `K${at}=${quoteEnvValue(value)}\n`).join(''))
    const environment = values.map((_, at) => `K${at}`)
    const out = execFileSync(
      'docker',
      ['compose', '-p', 'x', '-f', '-', '--project-directory', dir, 'config', '--format', 'json'],
      { input: JSON.stringify({ services: { x: { image: 'x', environment } } }), encoding: 'utf8' },
    )
    const read = JSON.parse(out).services.x.environment as Record<string, string>
    expect(environment.map(key => read[key]!.replaceAll('$$', '$'))).toEqual(values)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
