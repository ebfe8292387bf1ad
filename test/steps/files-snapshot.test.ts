/** State folders with everything that a folder can hold: copied, changed, put back. What is there is asked of tar. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { filesSnapshot } from '../../src/steps/files/snapshot.ts'
import { fails } from '../rig/checkout.ts'
import { poll } from '../rig/hostops.ts'
import { asUser } from '../rig/other-user.ts'
import { smallDisk } from '../rig/small-disk.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

const RUN = '20261120T180900Z-7f3a9c'
const isRoot = process.getuid?.() === 0
const OWNER = 4242

let top: string
let state: string
let ctx: Rig
/** Where a later step has touched what runs. */
let back: Rig
const given = (more: object = {}) => filesSnapshot.schema().parse({ path: state, ...more })
const write = (name: string, text: string) => writeFileSync(join(state, name), text)
const keep = async (more: object = {}) => {
  const input = given(more)
  const kept = await filesSnapshot.act.snapshot!(ctx, input)
  const result = await filesSnapshot.act.run(ctx, input, kept)
  return {
    ...{ input, kept, result },
    copy: join(kept.folder, 'files'),
    restore: (where = back) => filesSnapshot.undo!.restore!(where, input, kept),
    verify: () => filesSnapshot.undo!.verify!(ctx, input, kept),
  }
}
const failedPath = () => `${state}.failed-${RUN}`
const unusable = (why: string) => ({ code: 'files-unusable', path: state, why })

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-files-')))
  state = join(top, 'state')
  mkdirSync(state)
  write('version', '1')
  ctx = stepContext()
  back = stepContext({ touchedSince: true })
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

/** Names, types, modes, owners, times, sizes, link targets, hard links and contents; sockets only by name. */
const archiveOf = (folder: string) =>
  spawnSync('sh', ['-c', 'tar --sort=name -cSf - . | sha256sum; find . | sort', 'archive'], {
    cwd: folder,
    encoding: 'latin1',
  }).stdout

/** Of a file; Node has no call for it, and where there is no Python nothing is claimed. */
const attribute = (call: string, file: string) =>
  spawnSync('python3', ['-c', `import os, sys; print(os.${call})`, file], { encoding: 'utf8' }).stdout
const noteOf = (file: string) => attribute("getxattr(sys.argv[1], 'user.note')", file)

function fillWithEverything(): void {
  for (const name of ['new\nline', ' lead', '-rf', '*', '$(id)', '"\'`', 'ü', '%s\\n', 'x'.repeat(255)])
    write(name, `of ${name}\n`)
  writeFileSync(Buffer.concat([Buffer.from(`${state}/latin-`), Buffer.from([0xff, 0xfe])]), 'bytes')
  mkdirSync(join(state, 'deep/er/est'), { recursive: true })
  mkdirSync(join(state, 'empty'), { mode: 0o2750 })
  write('deep/er/est/secret', 'token')
  chmodSync(join(state, 'deep/er/est/secret'), 0o600)
  write('none', 'no mode at all')
  chmodSync(join(state, 'none'), 0)
  write('suid', 'x')
  chmodSync(join(state, 'suid'), 0o6755)
  symlinkSync('/etc/passwd', join(state, 'outside'))
  symlinkSync('nowhere', join(state, 'dangling'))
  symlinkSync('..', join(state, 'up'))
  linkSync(join(state, 'version'), join(state, 'deep/same-as-version'))
  write('sparse', 'begin')
  truncateSync(join(state, 'sparse'), 64 * 2 ** 20)
  execFileSync('mkfifo', [join(state, 'pipe')])
  attribute("setxattr(sys.argv[1], 'user.note', b'kept')", join(state, 'version'))
  if (isRoot) {
    execFileSync('mknod', [join(state, 'device'), 'c', '1', '3'])
    chownSync(join(state, 'ü'), 1234, 4321)
    execFileSync('chown', ['-h', '77:88', join(state, 'dangling')])
  }
  utimesSync(join(state, 'ü'), 1, 1.123456)
  utimesSync(join(state, 'empty'), 4_000_000_000, 4_000_000_000)
}

describe('files.snapshot', () => {
  test('keeps all that a folder can hold, follows nothing, and puts it back as it was', async () => {
    fillWithEverything()
    const socket = createServer().listen(join(state, 'socket'))
    await poll(() => existsSync(join(state, 'socket')))
    try {
      const before = archiveOf(state)
      const kept = await keep()
      expect(kept.result).toMatchObject({ changed: false, outputs: { path: state, copy: kept.kept.folder } })
      expect(archiveOf(kept.copy)).toBe(before)
      expect(noteOf(join(kept.copy, 'version'))).toBe(noteOf(join(state, 'version')))
      expect(statSync(join(kept.copy, 'sparse')).blocks).toBeLessThan(64)
      expect(readlinkSync(join(kept.copy, 'outside'))).toBe('/etc/passwd')
      expect(lstatSync(join(kept.copy, 'socket')).isSocket()).toBe(true)
      const [one, other] = ['version', 'deep/same-as-version'].map(
        name => statSync(join(kept.copy, name)).ino,
      )
      expect(one).toBe(other)

      write('version', '2')
      rmSync(join(state, 'deep'), { recursive: true })
      write('migrated', 'by the new version')
      const newer = archiveOf(state)
      expect(await kept.restore()).toMatchObject({
        changed: true,
        facts: { stateSetAside: [{ path: state, keptAs: failedPath() }] },
      })
      expect(archiveOf(state)).toBe(before)
      expect(archiveOf(failedPath())).toBe(newer)
      await kept.verify()
      expect(ctx.seen.at(-1)).toMatchObject({ what: 'files', target: state, ok: true })
      expect(ctx.seen.at(-1)!.saw).toMatch(/^as kept at .*Z; 0(\.1)? minutes of newer state are in /)
    } finally {
      socket.close()
    }
  })

  test('says for how many minutes the newer state was written', async () => {
    const { kept, restore } = await keep()
    const record = join(kept.folder, 'record')
    const [inode, digest, at] = readFileSync(record, 'utf8').trim().split(' ')
    writeFileSync(record, `${inode} ${digest} ${Number(at) - 754}\n`)
    expect(await restore()).toMatchObject({ facts: { stateSetAside: [{ minutes: 12.6 }] } })
    expect(back.said.at(-1)).toContain(`12.6 minutes of newer state are in ${failedPath()}`)
  })

  test('its copy is for nobody else, and no untracked file of a checkout around it', async () => {
    execFileSync('git', ['init', '-q', top])
    write('secret', 'x')
    chmodSync(join(state, 'secret'), 0o666)
    const { kept } = await keep()
    for (const folder of [kept.folder, join(kept.folder, '..')])
      expect(statSync(folder)).toMatchObject({ mode: 0o40700, uid: process.getuid!() })
    const status = execFileSync('git', ['status', '--porcelain'], { cwd: top, encoding: 'utf8' })
    expect(status).toBe('?? state/\n')
    expect(readdirSync(state)).toEqual(['secret', 'version'])
  })

  test('nothing is put back where nothing else was touched', async () => {
    const { restore, verify, kept } = await keep()
    write('later', 'by the old version, which ran all the time')
    expect(await restore(ctx)).toEqual({ changed: false })
    expect(readdirSync(state)).toEqual(['later', 'version'])
    await verify()
    expect(ctx.seen.at(-1)).toMatchObject({ saw: 'left as it is', ok: true })
    const tidied = () => filesSnapshot.undo!.tidy!(ctx, given(), kept, true)
    await tidied()
    expect(readdirSync(kept.folder)).not.toContain('files')
    // A run that was cut off while it tidied up is rolled back once more.
    expect(await filesSnapshot.undo!.rehearse!(ctx, given(), kept)).toEqual([])
    await restore(ctx)
    await verify()
    await tidied()
    expect(readdirSync(state)).toEqual(['later', 'version'])
  })

  test('a second rollback changes nothing; a second copy of one run is of that moment', async () => {
    const first = await keep()
    write('version', '1b')
    // As by who comes back to a step whose end nobody saw.
    const kept = await keep()
    expect(kept.kept).toEqual(first.kept)
    write('version', '2')
    await kept.restore()
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('1b')
    write('version', '1c')
    expect(await kept.restore()).toMatchObject({ facts: { stateSetAside: [{ keptAs: failedPath() }] } })
    await kept.verify()
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('1c')
    expect(readdirSync(top).sort()).toEqual(['.hostops-snapshots', 'state', `state.failed-${RUN}`])
  })

  test('a copy that is gone, or is not what was kept, is told and puts nothing back', async () => {
    const { kept, restore, copy, input } = await keep()
    const missing = { code: 'rollback-set-missing', what: [copy] }
    write('version', '2')
    writeFileSync(join(copy, 'version'), '1!')
    await fails(restore(), unusable('damaged'))
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('2')
    rmSync(copy, { recursive: true })
    await fails(restore(), missing)
    await fails(filesSnapshot.look!.holds!(ctx, input, {}, kept), missing)
    expect(await filesSnapshot.undo!.rehearse!(ctx, input, kept)).toMatchObject([{ failure: missing }])
    // Without its record, only the run knows that there was one.
    rmSync(kept.folder, { recursive: true })
    expect(await restore()).toEqual({ changed: false })
    const outputsOf = () => [{ copy: kept.folder }]
    await fails(restore(stepContext({ outputsOf, touchedSince: true })), missing)
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('2')
  })

  test('a folder in use is not taken away from a process', async () => {
    const { restore } = await keep()
    const user = spawn('sleep', ['60'], { cwd: state, stdio: 'ignore' })
    try {
      await poll(() => user.pid !== undefined && readlinkSync(`/proc/${user.pid}/cwd`) === state)
      await fails(restore(), { ...unusable('in-use'), detail: `process ${user.pid} (sleep)` })
    } finally {
      user.kill('SIGKILL')
    }
    await poll(() => !existsSync(`/proc/${user.pid}/cwd`))
    expect(await restore()).toMatchObject({ changed: true })
  })

  test('the newest copies stay', async () => {
    const { kept, input, copy } = await keep()
    const [own, place] = [kept.folder.split('/').at(-1)!, join(kept.folder, '..')]
    const key = own.split('-')[0]!
    mkdirSync(join(place, `${key}-of-a-run-that-was-rolled-back`))
    for (let n = 1; n <= 4; n += 1) {
      mkdirSync(join(place, `${key}-older-${n}/files`), { recursive: true })
      const time = Date.now() / 1000 - 3600 * n
      utimesSync(join(place, `${key}-older-${n}`), time, time)
    }
    mkdirSync(join(place, '00000000-of-another-state'))
    await filesSnapshot.undo!.tidy!(ctx, input, kept, false)
    const left = [own, `${key}-older-1`, '00000000-of-another-state'].sort()
    expect(readdirSync(place).filter(name => !name.startsWith('.'))).toEqual(left)
    expect(existsSync(copy)).toBe(true)
  })

  test('a check says how much, where and whether it would do, and copies nothing', async () => {
    write('large', 'x'.repeat(50_000))
    const [found] = await filesSnapshot.look!.check!(ctx, given())
    expect(found).toMatchObject({ seen: { real: state } })
    expect(found!.text).toMatch(/state: \d+ KiB in 3 entries would be copied beside it \([\d.]+ \wiB free/)
    const [large] = await filesSnapshot.look!.check!(ctx, given({ maxBytes: 1000 }))
    expect(large).toMatchObject({ failure: unusable('too-large') })
    await fails(filesSnapshot.act.snapshot!(ctx, given({ maxBytes: 1000 })), unusable('too-large'))
    expect(readdirSync(top)).toEqual(['state'])
  })
})

describe('files.snapshot refuses', () => {
  const refused = (why: string, path = state) =>
    fails(filesSnapshot.act.snapshot!(ctx, given({ path })), { code: 'files-unusable', why })

  test('what is no folder, or not there', async () => {
    await refused('missing', join(top, 'none'))
    await refused('not-a-folder', join(state, 'version'))
    await refused('missing', join(state, 'version/x'))
    symlinkSync('loop', join(top, 'loop'))
    await refused('missing', join(top, 'loop'))
    expect(() => given({ volume: 'data' })).toThrow(/either path or volume/)
  })

  test.skipIf(!isRoot)('a place where somebody else could put another folder', async () => {
    chmodSync(top, 0o777)
    await refused('swappable')
    chmodSync(top, 0o1777)
    await filesSnapshot.act.snapshot!(ctx, given())
    chmodSync(top, 0o775)
    await filesSnapshot.act.snapshot!(ctx, given())
    chownSync(top, 0, OWNER)
    await refused('swappable')
    chownSync(top, OWNER, OWNER)
    await refused('swappable')
    // Whose state it is may do with it what they like.
    chownSync(state, OWNER, OWNER)
    await filesSnapshot.act.snapshot!(ctx, given())
    // A link of theirs on the way to a folder of root's.
    mkdirSync(join(top, 'of-root'))
    symlinkSync('of-root', join(top, 'link'))
    await refused('swappable', join(top, 'link'))
    // A name of theirs that says what is asked of the system: whose state it is.
    mkdirSync(join(top, `x\nstate ${OWNER} 1\ny`))
    symlinkSync(`x\nstate ${OWNER} 1\ny/../of-root`, join(top, 'forged'))
    await refused('unreadable', join(top, 'forged'))
    symlinkSync('of-root\n', join(top, 'trailing'))
    mkdirSync(join(top, 'of-root\n'))
    await refused('unreadable', join(top, 'trailing'))
  })

  test('a link that leads elsewhere by then, and verifies where it leads', async () => {
    const link = join(top, 'link')
    mkdirSync(join(top, 'other'))
    symlinkSync('state', link)
    const input = given({ path: link })
    const kept = await filesSnapshot.act.snapshot!(ctx, input)
    expect(kept.real).toBe(state)
    unlinkSync(link)
    symlinkSync('other', link)
    const elsewhere = { code: 'files-unusable', path: link, why: 'elsewhere' }
    await fails(filesSnapshot.act.run(ctx, input, kept), elsewhere)
    unlinkSync(link)
    symlinkSync('state', link)
    await filesSnapshot.act.run(ctx, input, kept)
    write('version', '2')
    unlinkSync(link)
    symlinkSync('other', link)
    await filesSnapshot.undo!.restore!(back, input, kept)
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('1')
    expect(readdirSync(join(top, 'other'))).toEqual([])
    await fails(filesSnapshot.undo!.verify!(ctx, input, kept), { code: 'not-restored' })
    expect(ctx.seen.at(-1)).toMatchObject({ ok: false })
  })

  test('a place for the copy that is not its own', async () => {
    const mine = join(top, 'mine')
    mkdirSync(mine, { mode: 0o700 })
    symlinkSync('mine', join(top, '.hostops-snapshots'))
    await fails(keep(), unusable('private'))
    expect(readdirSync(mine)).toEqual([])
    unlinkSync(join(top, '.hostops-snapshots'))
    mkdirSync(join(top, '.hostops-snapshots'), { mode: 0o755 })
    await fails(keep(), unusable('private'))
  })

  test('what runs as another user and is not all theirs', async () => {
    if (!isRoot) return
    chmodSync(top, 0o755)
    chownSync(state, OWNER, OWNER)
    const asOwner = ['setpriv', `--reuid=${OWNER}`, `--regid=${OWNER}`, '--clear-groups', '--']
    const input = given()
    await filesSnapshot.act.snapshot!(ctx, input)
    const [sh, ...words] = ctx.ran.at(-1)!.argv
    const look = () =>
      spawnSync(asOwner[0]!, [...asOwner.slice(1), sh!, ...words], { encoding: 'utf8' }).stdout
    expect(look()).toContain('problem owners')
    chownSync(join(state, 'version'), OWNER, OWNER)
    expect(look()).toContain('entries 2')
    chmodSync(join(state, 'version'), 0)
    expect(look()).toContain('problem unreadable')
  })

  test('a mount point, one inside it, and a disk without room', async () => {
    const disk = smallDisk(join(state, 'mounted'), '1m')
    if (disk === null) return
    await refused('mount-point')
    await refused('mount-point', join(state, 'mounted'))
    disk.unmount()
    await filesSnapshot.act.snapshot!(ctx, given())
    const small = smallDisk(join(top, 'small'), '70m')!
    try {
      state = join(top, 'small/state')
      mkdirSync(state)
      write('data', 'x'.repeat(8 * 2 ** 20))
      await fails(filesSnapshot.act.snapshot!(ctx, given()), { code: 'disk-full' })
      expect(readdirSync(join(top, 'small'))).toEqual(['state'])
    } finally {
      small.unmount()
    }
  })
})

/** Tools that do something else as well, as the world does meanwhile. */
describe('files.snapshot, meanwhile', () => {
  const tool = (name: string, text: string) => {
    mkdirSync(join(top, 'bin'), { recursive: true })
    const real = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    writeFileSync(join(top, 'bin', name), `#!/bin/sh\nreal=${real}\n${text}\n`, { mode: 0o755 })
    const env = { PATH: `${join(top, 'bin')}:${process.env['PATH']}` }
    ctx = stepContext({ env, timeoutMs: 3000 })
    back = stepContext({ env, touchedSince: true })
  }
  const nothingLeft = async (kept: { folder: string; real: string; inode: string }) => {
    expect(await filesSnapshot.undo!.restore!(back, given(), kept)).toEqual({ changed: false })
    expect(readdirSync(kept.folder).filter(name => /^(part|files|record|paused)$/.test(name))).toEqual([])
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('1')
  }
  const begun = async () => {
    const kept = await filesSnapshot.act.snapshot!(ctx, given())
    return { kept, ended: filesSnapshot.act.run(ctx, given(), kept) }
  }

  test('a copy of what is written meanwhile is refused', async () => {
    tool('cp', `"$real" "$@"; [ "$1" != -a ] || echo late >'${state}/late'`)
    const { kept, ended } = await begun()
    await fails(ended, { code: 'files-changed', path: state })
    await nothingLeft(kept)
  })

  test('a disk that gets full meanwhile leaves nothing behind', async () => {
    const disk = smallDisk(join(top, 'small'), '90m')
    if (disk === null) return
    try {
      state = join(top, 'small/state')
      mkdirSync(state)
      write('version', '1')
      write('data', 'x'.repeat(8 * 2 ** 20))
      tool(
        'cp',
        `[ "$1" != -a ] || dd if=/dev/zero of='${top}/small/fill' bs=1k 2>/dev/null; exec "$real" "$@"`,
      )
      const { kept, ended } = await begun()
      await fails(ended, { code: 'disk-full' })
      disk.free()
      await nothingLeft(kept)
    } finally {
      disk.unmount()
    }
  })

  test('a copy that takes too long is ended', async () => {
    tool('cp', '"$real" "$@"; [ "$1" != -a ] || sleep 60')
    const { kept, ended } = await begun()
    await fails(ended, { code: 'command-timeout' })
    tool('cp', 'exec "$real" "$@"')
    await nothingLeft(kept)
  })

  test('killed at each rename and each sync of the copy and of the way back: all of one folder, or none', async () => {
    fillWithEverything()
    const before = archiveOf(state)
    let deaths = 0
    for (const when of ['before', 'after'])
      for (let nth = 1; ; nth += 1) {
        const counter = join(top, 'count')
        // The shell that has called it dies, as with its machine.
        const die = (name: string) =>
          tool(
            name,
            `n=$(($(cat '${counter}') + 1)); echo $n >'${counter}'
[ $n != ${nth} ] || [ ${when} = after ] || kill -9 $PPID
"$real" "$@"; code=$?
[ $n != ${nth} ] || kill -9 $PPID
exit $code`,
          )
        for (const name of ['mv', 'sync']) die(name)
        writeFileSync(counter, '0')
        const { kept, ended } = await begun()
        const hasDied = async (work: Promise<unknown>) =>
          work.then(
            () => false,
            () => true,
          )
        let died = await hasDied(ended)
        if (died) await filesSnapshot.act.run(stepContext(), given(), kept)
        write('migrated', 'by the new version')
        const newer = archiveOf(state)
        const restore = (at: Rig) => filesSnapshot.undo!.restore!(at, given(), kept)
        died = (await hasDied(restore(back))) || died
        if (existsSync(state)) expect([before, newer]).toContain(archiveOf(state))
        await restore(stepContext({ touchedSince: true }))
        expect(archiveOf(state), `${when} ${nth}`).toBe(before)
        expect(archiveOf(failedPath()), `${when} ${nth}`).toBe(newer)
        expect(readdirSync(top).filter(name => name.startsWith('state'))).toHaveLength(2)
        rmSync(failedPath(), { recursive: true })
        await filesSnapshot.undo!.tidy!(stepContext(), given(), kept, true)
        expect(readdirSync(kept.folder)).not.toContain('files')
        if (!died) break
        deaths += 1
      }
    expect(deaths).toBeGreaterThan(12)
  })

  test('a folder that appears between the two renames is kept, too', async () => {
    const { restore } = await keep()
    write('version', '2')
    // What an engine makes that starts a container whose folder is not there.
    tool('mv', `"$real" "$@" || exit; case $* in *failed*) kill -9 $PPID ;; esac`)
    await expect(restore()).rejects.toThrow()
    expect(existsSync(state)).toBe(false)
    mkdirSync(state)
    write('fresh', 'by a container that was started too early')
    expect(await restore(stepContext({ touchedSince: true }))).toMatchObject({ changed: true })
    expect(readdirSync(state)).toEqual(['version'])
    expect(readdirSync(failedPath())).toEqual(['version'])
    expect(readdirSync(`${failedPath()}.1`)).toEqual(['fresh'])
  })

  test.skipIf(!isRoot)('an owner who swaps folders for links gets nothing of root’s', async () => {
    chmodSync(top, 0o755)
    mkdirSync(join(top, 'of-root'), { mode: 0o700 })
    writeFileSync(join(top, 'of-root/secret'), 'of root', { mode: 0o644 })
    mkdirSync(join(state, 'swapped'))
    for (let n = 0; n < 200; n += 1) write(`swapped/${n}`, 'x')
    execFileSync('chown', ['-R', `${OWNER}:${OWNER}`, state])
    const swaps = asUser(
      OWNER,
      `const { renameSync, symlinkSync, unlinkSync } = require('node:fs'); process.chdir(${JSON.stringify(state)})
      for (;;) { renameSync('swapped', 'aside'); symlinkSync('${top}/of-root', 'swapped'); unlinkSync('swapped'); renameSync('aside', 'swapped') }`,
    )
    try {
      for (let round = 0; round < 30; round += 1) {
        const { kept, ended } = await begun()
        await ended.catch(() => {})
        const secret = execFileSync('find', [kept.folder, '-name', 'secret'], { encoding: 'utf8' })
        expect(secret).toBe('')
      }
      expect(swaps.isAlive()).toBe(true)
    } finally {
      await swaps.end()
    }
  })

  test('a rename that fails takes nothing away', async () => {
    const { restore } = await keep()
    write('version', '2')
    tool('mv', `case $* in '-T -- files '*) exit 1 ;; esac; exec "$real" "$@"`)
    await expect(restore()).rejects.toThrow()
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('2')
    renameSync(join(top, 'bin'), join(top, 'bin-'))
    expect(await restore(stepContext({ touchedSince: true }))).toMatchObject({ changed: true })
    expect(readFileSync(join(state, 'version'), 'utf8')).toBe('1')
  })
})
