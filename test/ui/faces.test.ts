/** What both faces say of things that are no step's own words: nobody acts on what is not shown. */
import { expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { linesFace } from '../../src/ui/lines-face.ts'
import { treeFace } from '../../src/ui/tree-face.ts'

const steps = [{ id: 'wait', name: 'wait', uses: 'confirm', effect: 'read' as const, about: {}, log: '' }]
const started: Event = {
  ...{ type: 'run-started', runId: 'r', playbook: 'p', playbookDigest: null, planHash: null },
  ...{ target: 'local', caller: null, steps },
}
const resumed: Event = { type: 'resumed', runId: 'r', done: [], inFlight: 'wait', by: null }
const awaited: Event = { type: 'confirm-awaited', id: 'wait', deadline: Date.parse('2026-11-20T18:09:00Z') }
const silent: Event = { type: 'said', id: 'link', phase: null, line: 'the host does not answer' }

async function shown(face: 'lines' | 'tree', events: Event[]): Promise<string> {
  let text = ''
  const screen = {
    write: (more: string) => {
      text += more
    },
    columns: () => 200,
    now: () => 0,
    at: ' --target hostlink',
  }
  const drawn =
    face === 'lines'
      ? linesFace(screen)
      : treeFace({ ...screen, rows: () => 40, colour: false, unicode: false })
  for (const event of events) drawn.event(event)
  await drawn.close()
  return text
}

test.each(['lines', 'tree'] as const)(
  '%s: a run that waits says what to type, and until when',
  async face => {
    for (const begin of [started, resumed])
      expect(await shown(face, [begin, awaited])).toContain(
        'wait: taken back unless this is typed before 2026-11-20T18:09:00Z: hostops confirm r --target hostlink',
      )
  },
)

test.each(['lines', 'tree'] as const)('%s: a run that wants somebody else says so', async face => {
  expect(await shown(face, [started, { ...awaited, confirmer: 'other' }])).toContain(
    'wait: taken back unless somebody other than who started it types before 2026-11-20T18:09:00Z: hostops confirm r',
  )
})

test.each(['lines', 'tree'] as const)('%s: what a lock or a link says is seen', async face => {
  const begun: Event = { type: 'step-started', id: 'wait', effect: 'read', attempt: 1, commands: [] }
  expect(await shown(face, [started, begun, silent])).toContain('link: the host does not answer')
})
