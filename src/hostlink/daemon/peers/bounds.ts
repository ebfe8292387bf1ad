/** What holds before anything is believed (PROTOCOL.md, section 2). */
const MIB = 1024 * 1024

export const BOUNDS = {
  requestMs: 10_000,
  untrustedRequestBytes: 2 * MIB,
  untrustedBytesTogether: 16 * MIB,
  /** What a stranger sends at most without waiting for its turn. */
  quickBytes: 4096,
  requestBytes: 8 * MIB,
  untrustedConnections: 256,
  connections: 1024,
  requestsInFlight: 256,
  idleMs: 600_000,
  noProgressMs: 30_000,
  /** After the last answer: time for a peer that is still sending to read it. */
  lingerMs: 5000,
  /** One whole frame of the wire, and a bit: enough to let any refused request run dry. */
  lingerBytes: 136 * MIB,
} as const
