/** Words for hostops-trigger, and what a daemon may say to them: right ones, wrong ones and damaged ones. */
import fc from 'fast-check'
import { RESULT_PREFIX } from '../../src/report/result-line.ts'
import { blankReport } from '../../src/report/unknown-report.ts'

/** Stands in values only. */
export const SECRET = 'hunter2'

type Json = Record<string, unknown>
export const LINE = `${RESULT_PREFIX}{"outcome":"succeeded","runId":"r"}`
const EVIL_TEXTS = [
  ...[
    '',
    ' ',
    'r',
    'last',
    '..',
    '/etc/passwd',
    './x',
    '--',
    '-i',
    '--plan',
    '@/etc/passwd',
    '__proto__',
    'constructor',
  ],
  ...[
    'a\0b',
    'a\nb',
    LINE,
    `\n${LINE}\n`,
    `${LINE}\r`,
    '\u001b[2J\u001b]0;x\u0007',
    '\u202e\u2066\u2028\u061c\u200e',
    'ｒ',
    '\ud800',
  ],
  ...['x'.repeat(70), 'x'.repeat(70_000), '$(id)', '`id`', '{"runId":"r"}', 'é'.repeat(300)],
]
const evilText = fc.oneof(
  fc.constantFrom(...EVIL_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 20 }),
)

// --- words

const value = fc.oneof(
  fc.constantFrom(
    `text=${SECRET}`,
    SECRET,
    `=${SECRET}`,
    `__proto__=${SECRET}`,
    `a b=${SECRET}`,
    `text=@${SECRET}`,
    `n\n=${SECRET}`,
  ),
  evilText.map(text => `text=${SECRET}${text}`),
)
const word = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('greet', 'r', 'run-1', '5', '20ms', 'list', '{}', '{"run_id":"r"}'),
  },
  { weight: 2, arbitrary: evilText },
)
const option = fc.oneof(
  value.map(text => ['-i', text]),
  value.map(text => [`--input=${text}`]),
  word.chain(text =>
    fc.constantFrom(...['--run-id', '--plan', '--timeout', '--step', '--tail'].map(name => [name, text])),
  ),
  evilText.map(text => [`--${text}`]),
)
const COMMANDS = ['run', 'check', 'wait', 'report', 'logs', 'confirm', 'cancel', 'list', 'show', 'ask']
const ACTIONS = [
  'start',
  'list',
  'playbooks',
  'report',
  'wait',
  'events',
  'journal',
  'logs',
  'confirm',
  'cancel',
  'resume',
  'exec',
]
const anyWords = fc
  .tuple(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 3 }), fc.array(option, { maxLength: 3 }))
  .map(([command, words, options]) => [command, ...words, ...options.flat()])
const rightWords = fc.oneof(
  fc.constantFrom('run', 'check').map(command => [command, 'greet', '--run-id', 'r', '-i', `text=${SECRET}`]),
  fc.constantFrom('report', 'logs', 'confirm', 'cancel').map(command => [command, 'r']),
  fc.constantFrom<string[]>(['wait', 'r', '--timeout', '20ms'], ['list'], ['show', 'greet']),
  fc.constantFrom(...ACTIONS).map(action => {
    const fields = { run_id: 'r', timeout_ms: 5, playbook: { name: 'greet' }, input_texts: { text: SECRET } }
    return ['ask', action, JSON.stringify(fields)]
  }),
)
const words: fc.Arbitrary<string[]> = fc.oneof(
  { weight: 2, arbitrary: rightWords },
  { weight: 1, arbitrary: anyWords },
  { weight: 1, arbitrary: fc.array(evilText, { maxLength: 4 }) },
)

// --- answers

const report = {
  ...blankReport({ runId: 'r', target: 'local', startedAt: 0 }),
  outcome: 'succeeded',
  success: true,
}
export const good = (request: Json): Json => {
  const log = Buffer.from(`[1,null,"stdout",${JSON.stringify(LINE)}]\n`)
  const told = { exit_code: 0, stdout: `${RESULT_PREFIX}${JSON.stringify(report)}\n`, run_status: 'settled' }
  switch (request['action']) {
    case 'start':
      return { run_id: 'r', job_id: '0123456789ab', attached: false }
    case 'list':
      return { runs: [{ ...report, folder: '/x' }] }
    case 'playbooks':
      return { playbooks: [{ name: 'greet', description: LINE, inputs: [], problem: null }] }
    case 'logs':
      return request['file'] === undefined
        ? { files: [{ name: '001-say.ndjson', bytes: log.length }] }
        : { data: request['offset'] === 0 ? log.toString('base64') : '', next_offset: log.length }
    case 'journal':
      return { entries: [], done: true }
    case 'events':
      return { data: '', next_offset: 0, done: true }
    default:
      return { done: true, ...told }
  }
}
const evilValue = fc.oneof(
  evilText,
  fc.constantFrom<unknown>(
    null,
    0,
    -1,
    1e300,
    5,
    true,
    false,
    [],
    {},
    [[]],
    { code: 'constructor' },
    { code: 'denied' },
  ),
  fc.constantFrom<unknown>(
    { code: 'usage', what: 'command-line', problem: LINE, hint: `\u001b[2J\n${LINE}` },
    { code: 'not-restored', problem: 7 },
    { code: 'half-way', failed: { code: 'half-way', failed: 5 } },
    '#DEEP#',
  ),
  fc.jsonValue() as fc.Arbitrary<unknown>,
)
type Damage = { at: number; value: unknown; also: [string, unknown] | null }
export type Saying = {
  damages: Damage[]
  wire: 'whole' | 'cut' | 'garbage' | 'closed' | 'foreign' | 'output'
  status: string | null
}
const saying: fc.Arbitrary<Saying> = fc.record({
  damages: fc.array(
    fc.record({
      at: fc.nat(60),
      value: evilValue,
      also: fc.option(
        fc.tuple(
          fc.constantFrom('failure', 'error_msg', 'attached', 'done', 'exit_code', 'run_status'),
          evilValue,
        ),
      ),
    }),
    { maxLength: 3 },
  ),
  wire: fc.oneof(
    { weight: 12, arbitrary: fc.constant('whole' as const) },
    { weight: 1, arbitrary: fc.constantFrom('cut' as const, 'garbage', 'closed', 'foreign', 'output') },
  ),
  status: fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'denied',
        'error',
        'bad_request',
        'not_found',
        'auth_failed',
        'very-bad',
        'timeout',
      ),
    },
  ),
})
export const call = fc.record({ words, sayings: fc.array(saying, { minLength: 1, maxLength: 3 }) })
export type Call = { words: string[]; sayings: Saying[] }
