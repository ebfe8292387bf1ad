/** Strangers who send much are read, and looked at, each in its turn: by what is read and when, not by the clock. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../../src/hostlink/daemon/peers/connection.ts'
import { createTurns, type Turns } from '../../../src/hostlink/daemon/peers/turns.ts'
import { until } from '../../rig/observe.ts'
import { frame } from '../../rig/peer.ts'

describe('a stranger who sends much', () => {
  let folder: string
  let server: Server
  let client: Socket
  let socket: Socket
  let connection: Connection
  let heard: Buffer[]
  let waiting: (() => void)[]
  /** A turn comes when the test says so. */
  const turns: Turns = { take: act => void waiting.push(act) }
  const turn = () => waiting.shift()!()

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hostlink-turns-'))
    heard = []
    waiting = []
    const accepted = new Promise<Socket>(resolve => {
      server = createServer({ allowHalfOpen: true }, resolve)
    })
    await new Promise<void>(resolve => server.listen(join(folder, 's'), resolve))
    client = connect(join(folder, 's')).on('error', () => {})
    const events = {
      onPayload: (payload: Buffer) => void heard.push(payload),
      onOversized: () => {},
      onHeld: () => {},
      onClose: () => {},
    }
    socket = await accepted
    connection = new Connection(socket, 'test', events, turns)
  })
  afterEach(() => {
    client.destroy()
    connection.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const large = frame(Buffer.alloc(1024 * 1024, 'x'))
  /** Long enough for the kernel to hand over more, where somebody reads. */
  const aWhile = () => new Promise(resolve => setTimeout(resolve, 200))

  test('is read piece by piece, each in its turn, and the request is whole in the end', async () => {
    client.write(large)
    let turnsTaken = 0
    for (; heard.length === 0; turnsTaken += 1) {
      await until('a piece was read', () => waiting.length > 0 || heard.length > 0)
      if (heard.length > 0) break
      const held = connection.heldBytes
      await aWhile()
      expect([connection.heldBytes, waiting.length]).toEqual([held, 1])
      turn()
    }
    expect(turnsTaken).toBeGreaterThan(3)
    expect(heard[0]).toHaveLength(1024 * 1024)
  })

  test('waits for no turn once its token was right, nor for a short question', async () => {
    client.write(frame('{"a":1}'))
    await until('the short one was heard', () => heard.length === 1)
    expect(waiting).toEqual([])
    connection.trust()
    client.write(large)
    await until('the large one was heard', () => heard.length === 2)
    expect(waiting).toEqual([])
  })

  test('whose request waits to be looked at is not read any further until it was', async () => {
    connection.trust()
    const looking: (() => void)[] = []
    const seen: string[] = []
    connection.defer(Buffer.from('first'), { take: act => void looking.push(act) }, due => {
      seen.push(`${due}`)
    })
    client.write(large)
    await aWhile()
    expect([seen, heard.length, connection.heldBytes]).toEqual([[], 0, 5])
    // What Node takes in beforehand is all.
    expect(socket.bytesRead).toBeLessThan(large.length / 2)
    looking[0]!()
    await until('the second was heard', () => heard.length === 1)
    expect([seen, connection.heldBytes]).toEqual([['first'], 0])
  })
})

test('turns come one at a time, in order, and each is followed by nine times its own length of rest', async () => {
  const turns = createTurns()
  const began: number[] = []
  const busy = (ms: number) => () => {
    began.push(performance.now())
    for (const end = performance.now() + ms; performance.now() < end; );
  }
  for (const ms of [20, 20, 0, 0]) turns.take(busy(ms))
  expect(began).toEqual([])
  await until('all have had theirs', () => began.length === 4)
  expect(began[1]! - began[0]!).toBeGreaterThanOrEqual(20 + 9 * 20 - 2)
  expect(began[2]! - began[1]!).toBeGreaterThanOrEqual(20 + 9 * 20 - 2)
})
