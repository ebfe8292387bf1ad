import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { openTransport } from '../../src/transport/connect.ts'

const env = {}
const TARGETS = 'targets are local, hostlink, hostlink:<name>, ssh:<destination>, node:<name>'

describe('a target', () => {
  it.each([
    ['', 'the target is empty', TARGETS],
    ['locale', 'there is no target "locale"', 'did you mean local?'],
    ['hostlnk:x', 'there is no target "hostlnk:x"', 'did you mean hostlink?'],
    ['SSH:x', 'there is no target "SSH:x"', 'did you mean ssh?'],
    ['docker', 'there is no target "docker"', TARGETS],
    ['local:x', 'local takes no name', 'write just: --target local'],
    ['hostlink:', 'hostlink: needs a name', 'a name of targets.conf, or just: hostlink'],
    ['ssh', 'ssh needs a destination', 'write ssh:host or ssh:user@host'],
    ['ssh:', 'ssh needs a destination', 'write ssh:host or ssh:user@host'],
    ['node:', 'node needs a name', 'write node:NAME, as openclaw nodes status shows it'],
    [
      'node:desk',
      'an OpenClaw node runs the playbooks of its own host only',
      'hostops run NAME --target node:desk',
    ],
  ])('%j is none', async (target, reason, hint) => {
    expect(await openTransport(target, { env })).toEqual({ ok: false, problem: 'bad-target', reason, hint })
  })

  it('local is there at once, and runs nothing durable without a folder for its output', async () => {
    const connected = await openTransport('local', { env })
    if (!connected.ok) throw new Error(connected.problem)
    const { transport } = connected
    expect(transport.name).toBe('local')
    expect(transport.tools).toBe(undefined)
    expect(await transport.exec({ argv: ['true'] }, { timeoutMs: 9000, durable: true })).toMatchObject({
      kind: 'not-started',
      detail: 'a durable command needs a folder for its output',
    })
    await transport.close()
  })
})

it('each kind is loaded only when it is asked for', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const { metafile } = await build({
    entryPoints: [`${root}src/transport/connect.ts`],
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    outdir: 'out',
    format: 'esm',
    platform: 'node',
    define: { __VERSION__: '"0"' },
    absWorkingDir: root,
  })
  /** The sources that are read at the start of a chunk: its own, and those of what it imports at once. */
  const loadedBy = (chunk: string): string[] => {
    const { inputs, imports } = metafile.outputs[chunk]!
    const next = imports.filter(({ kind, external }) => kind === 'import-statement' && !external)
    return [...Object.keys(inputs), ...next.flatMap(({ path }) => loadedBy(path))]
  }
  const chunkOf = (source: string) =>
    Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source)![0]
  const start = loadedBy(chunkOf('src/transport/connect.ts'))
  const local = loadedBy(chunkOf('src/transport/local.ts'))
  expect(start.sort()).toEqual([
    'src/document/nearest.ts',
    'src/process/platform.ts',
    'src/transport/connect.ts',
    'src/transport/target.ts',
  ])
  expect(local.filter(file => /zod|ssh|client|daemon|job/.test(file))).toEqual([])
  expect(loadedBy(chunkOf('src/transport/hostlink.ts')).filter(file => /zod|ssh|daemon/.test(file))).toEqual(
    [],
  )
  expect(loadedBy(chunkOf('src/transport/ssh.ts')).filter(file => /zod|hostlink/.test(file))).toEqual([])
})
