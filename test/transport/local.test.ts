import { localTransport } from '../../src/transport/local.ts'
import { transportContract } from './contract.ts'

transportContract('local', {
  traits: {
    namesSignals: true,
    knowsNotStarted: true,
    exactBytes: true,
    live: true,
    cancels: true,
    endsWithCommand: true,
  },
  open: async () => {
    const transport = localTransport()
    return { transport, close: () => transport.close() }
  },
})
