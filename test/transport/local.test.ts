import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTransport } from '../../src/transport/connect.ts'
import { transportContract } from './contract.ts'

transportContract('local', {
  traits: {
    namesSignals: true,
    knowsNotStarted: true,
    exactBytes: true,
    live: true,
    cancels: true,
    endsWithCommand: true,
    durable: true,
    keys: true,
  },
  open: async () => {
    const jobsFolder = mkdtempSync(join(tmpdir(), 'hostops-jobs-'))
    const options = { env: process.env, jobsFolder }
    const connected = await openTransport('local', options)
    if (!connected.ok) throw new Error(JSON.stringify(connected))
    const { transport } = connected
    const close = async () => {
      await transport.close()
      rmSync(jobsFolder, { recursive: true, force: true })
    }
    return { transport, target: 'local', options, close }
  },
})
