/** The journal of a run at a host: whatever the host answers, it is read once and in order, or refused. */
import { expect, test } from 'vitest'
import type { RunAnswer } from '../../src/hostlink/messages.ts'
import type { HostLink } from '../../src/runs/host-link.ts'
import { runsAt } from '../../src/runs/runs-at.ts'

const line = (seq: number, v = 2) => ({ v, seq, at: '2026-12-01T00:00:00.000Z', type: 'snapshot-started' })

/** Answers in turn; the last one again and again. */
function hostThatSays(...answers: { entries?: unknown[]; done?: boolean }[]): HostLink & { asked: object[] } {
  const asked: object[] = []
  return {
    target: 'hostlink',
    asked,
    ask: async (_action, fields) => {
      asked.push(fields)
      const said = answers[Math.min(asked.length, answers.length) - 1]
      return { ok: true, value: said as unknown as RunAnswer }
    },
    close: () => {},
  }
}

async function read(host: HostLink, after = 0): Promise<number[]> {
  const seen: number[] = []
  for await (const { seq } of runsAt(host).watch('r', { after, follow: true })) seen.push(seq)
  return seen
}

test('in pieces, each behind the one before', async () => {
  const host = hostThatSays(
    { entries: [line(1), line(2)], done: false },
    { entries: [], done: false },
    { entries: [line(3)], done: false },
    { done: true },
  )
  expect(await read(host)).toEqual([1, 2, 3])
  expect(host.asked.map(fields => (fields as { after: number }).after)).toEqual([0, 2, 2, 3])
})

test('a host that says neither an event nor that it was the last is asked once where nobody follows', async () => {
  const host = hostThatSays({ entries: [], done: false })
  expect(await runsAt(host).events('r')).toEqual([])
  expect(host.asked).toHaveLength(1)
})

test('a host that lists what is not a list, or not of its kind, has told nothing', async () => {
  const wrong = { entries: 'x', files: { name: 1 }, runs: 7, done: true }
  const runs = runsAt(hostThatSays(wrong as object))
  expect([await runs.events('r'), await runs.logs('r'), await runs.list()]).toEqual([[], [], []])
  const named = runsAt(hostThatSays({ files: [{ name: 1 }, { name: 'a.log', bytes: 2 }] } as object))
  expect(await named.logs('r')).toEqual([{ name: 'a.log', bytes: 2 }])
})

test.each([
  ['repeats itself', [line(1), line(1)], 'unreadable-answer'],
  ['leaves one out', [line(1), line(3)], 'unreadable-answer'],
  ['says what is not an event', [line(1), { seq: 2 }], 'unreadable-answer'],
  ['is newer', [line(1, 3)], 'newer-record'],
])('a host that %s is not followed', async (_, entries, what) => {
  await expect(read(hostThatSays({ entries, done: false }))).rejects.toMatchObject({ failure: { what } })
})

test('a report that is too deep to be written again is none', async () => {
  const report = (x: string) =>
    `OPENCLAW_RESULT_JSON:{"runId":"r","outcome":"succeeded","success":true,"errorCode":null,"error":null,"failedStep":null,"x":${x}}`
  const told = (x: string) => runsAt(hostThatSays({ stdout: report(x) } as object)).report('r')
  expect((await told('{"news":[[1]]}')).report).toMatchObject({ x: { news: [[1]] } })
  const deep = hostThatSays({ stdout: report(`${'['.repeat(40)}${']'.repeat(40)}`) } as object)
  await expect(runsAt(deep).report('r')).rejects.toMatchObject({ reply: { again: true } })
  expect(deep.asked).toHaveLength(1)
})
