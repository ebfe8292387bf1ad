import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { KeptStack } from '../../src/steps/compose/image-pins.ts'
import { putFilesBack, requireFiles } from '../../src/steps/compose/restore-files.ts'
import { fails } from '../rig/checkout.ts'
import { stepContext } from '../rig/step-context.ts'

test('a stack whose env file is not what it was is not called verified', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-put-back-'))
  try {
    const [path, copy] = [join(folder, 'agent.env'), join(folder, 'file.1')]
    const kept = { folder, envFiles: [{ path, kept: copy }] } as unknown as KeptStack
    for (const file of [path, copy]) writeFileSync(file, 'A=1\n')
    const ctx = stepContext()
    await requireFiles(ctx, kept)
    expect(ctx.seen).toMatchObject([{ what: 'files', target: path, saw: 'as before', ok: true }])
    writeFileSync(path, '')
    await fails(requireFiles(ctx, kept), { code: 'not-restored' })
    expect(ctx.seen.at(-1)).toMatchObject({ target: path, saw: 'not as before', ok: false })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.skipIf(process.getuid?.() !== 0)(
  'in a folder of somebody else files are put back as that user',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hostops-put-back-'))
    try {
      const dir = join(folder, 'app')
      mkdirSync(dir)
      chownSync(dir, 4242, 4242)
      const files = ['theirs.env', 'of-root.env'].map((name, at) => {
        const kept = { path: join(dir, name), kept: join(folder, `file.${at}`) }
        for (const file of Object.values(kept)) writeFileSync(file, 'A=1\n', { mode: 0o644 })
        writeFileSync(`${kept.kept}.at`, `${kept.path}\n`)
        writeFileSync(kept.path, 'A=2\n')
        return kept
      })
      const [theirs, ofRoot] = files.map(({ path }) => path) as [string, string]
      chownSync(theirs, 4242, 4242)
      const kept = { folder, envFiles: files } as unknown as KeptStack
      const stack = { dir, files: [], envFiles: [], profiles: [] }
      const done = await putFilesBack(stepContext(), stack, kept)
      expect(done).toEqual({ replaced: [theirs], left: [ofRoot], differs: false })
      expect([readFileSync(theirs, 'utf8'), readFileSync(ofRoot, 'utf8')]).toEqual(['A=1\n', 'A=2\n'])
      expect(statSync(theirs)).toMatchObject({ uid: 4242, gid: 4242 })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
