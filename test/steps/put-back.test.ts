import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { KeptStack } from '../../src/steps/compose/images.ts'
import { requireFiles } from '../../src/steps/compose/put-back.ts'
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
