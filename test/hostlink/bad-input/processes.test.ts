/** Commands that try to stay: whatever they do, their limit ends them and everything that they started. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { childrenOf, descriptors, isRunning, PIPES_AT_HAND, until } from '../../rig/observe.ts'
import { type Answer, connectPeer } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeAll(async () => {
  daemon = await startDaemonRig({ config: { max_concurrent: '8' } })
})
afterAll(() => daemon.stop())

let count = 0

/** Runs shell text that writes pids of interest into `$PIDS`; answers the answer and those pids. */
async function run(
  command: string,
  timeoutMs: number,
): Promise<{ answer: Answer; pids: number[]; ms: number }> {
  const file = `${daemon.folder}/pids-${count++}`
  const before = { fds: descriptors(daemon.pid), children: childrenOf(daemon.pid).length }
  const started = Date.now()
  const answer = await undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    peer.ask({
      version: 1,
      type: 'exec',
      id: 'a',
      token: daemon.token,
      command,
      env: { PIDS: file },
      timeout_ms: timeoutMs,
    })
    const heard = await peer.answer()
    peer.destroy()
    return heard
  })
  const ms = Date.now() - started
  const pids = existsSync(file) ? readFileSync(file, 'utf8').trim().split(/\s+/).map(Number) : []
  await until('no descriptor is left over', () => descriptors(daemon.pid) <= before.fds + 2 + PIPES_AT_HAND)
  await until('no child is left over', () => childrenOf(daemon.pid).length <= before.children)
  return { answer, pids, ms }
}

const allGone = (pids: number[]) =>
  until(`the processes ${pids} have ended`, () => pids.length > 0 && !pids.some(isRunning))
const timedOut = { status: 'timeout', exit_code: -2 }

test('a command that closes its pipes is still ended at its limit', async () => {
  const { answer, pids } = await run('echo $$ > $PIDS; exec >&- 2>&-; sleep 60', 500)
  expect(answer).toMatchObject(timedOut)
  await allGone(pids)
})

test('a command that closes its pipes and then ends tells its code', async () => {
  const { answer } = await run('echo out; exec >&- 2>&-; sleep 0.3; exit 9', 20_000)
  expect(answer).toMatchObject({ status: 'ok', exit_code: 9, stdout: 'out\n' })
})

test('a command that ignores TERM is killed', async () => {
  const { answer, pids } = await run('echo $$ > $PIDS; trap "" TERM; while :; do sleep 0.1; done', 500)
  expect(answer).toMatchObject(timedOut)
  await allGone(pids)
})

test('a command that ends itself in order at TERM is given the time, and its output is kept', async () => {
  const { answer } = await run('trap "echo bye; exit 0" TERM; echo hi; while :; do sleep 0.1; done', 500)
  expect(answer).toMatchObject({ ...timedOut, stdout: 'hi\nbye\n' })
})

test('grandchildren that ignore TERM are killed, though the first process has ended', async () => {
  const child = 'trap "" TERM; while :; do sleep 0.1; done'
  const { answer, pids } = await run(
    `sh -c '${child}' & echo $! > $PIDS; sh -c '${child}' & echo $! >> $PIDS; wait`,
    500,
  )
  expect(answer).toMatchObject(timedOut)
  await allGone(pids)
})

test('grandchildren in a session of their own are ended as well', async () => {
  const { answer, pids } = await run(
    'setsid sh -c \'echo $$ >> $PIDS; trap "" TERM; while :; do sleep 0.1; done\' & sleep 60',
    800,
  )
  expect(answer).toMatchObject(timedOut)
  await allGone(pids)
})

test('something left behind that holds the output open does not hold the answer back', async () => {
  const { answer, pids, ms } = await run('sleep 50 & echo $! > $PIDS; echo done', 40_000)
  expect(answer).toMatchObject({ status: 'ok', exit_code: 0, stdout: 'done\n' })
  expect(ms).toBeLessThan(15_000)
  for (const pid of pids) if (isRunning(pid)) process.kill(pid)
})

test('something left behind in the background with its own output is left alone', async () => {
  const { answer, pids, ms } = await run('sleep 50 > /dev/null 2>&1 & echo $! > $PIDS; echo done', 40_000)
  expect(answer).toMatchObject({ status: 'ok', stdout: 'done\n' })
  expect(ms).toBeLessThan(15_000)
  for (const pid of pids) if (isRunning(pid)) process.kill(pid)
})

test('a zombie that nobody waits for does not hold the answer back', async () => {
  // The inner shell becomes a sleep that never waits for the child that it inherited.
  const { answer } = await run("sh -c 'true & echo $! > $PIDS; exec sleep 1'; echo done", 20_000)
  expect(answer).toMatchObject({ status: 'ok', stdout: 'done\n' })
})

test('a zombie at the limit does not hold the answer back', async () => {
  const { answer } = await run("sh -c 'true & exec sleep 60'", 500)
  expect(answer).toMatchObject(timedOut)
})

test('a crowd of forks is ended as a whole', async () => {
  const { answer, pids } = await run(
    'for i in 1 2 3 4 5 6 7 8 9 10; do sh -c \'echo $$ >> $PIDS; trap "" TERM; while :; do sleep 0.2; done\' & done; wait',
    1000,
  )
  expect(answer).toMatchObject(timedOut)
  expect(pids).toHaveLength(10)
  await allGone(pids)
})

test('a stopped command is ended at its limit', async () => {
  const { answer, pids } = await run('echo $$ > $PIDS; kill -STOP $$', 500)
  expect(answer).toMatchObject(timedOut)
  await allGone(pids)
})

test('after all that every slot is free', async () => {
  const peers = await Promise.all(Array.from({ length: 8 }, () => connectPeer(daemon.socket)))
  for (const peer of peers) {
    peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, command: 'sleep 0.3' })
  }
  for (const peer of peers) expect(await peer.answer()).toMatchObject({ status: 'ok' })
})
