/** The direction of imports in src/. The rule and its reason stand in src/README.md. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import { describe, expect, test } from 'vitest'

type Files = ReadonlyMap<string, string>

/** Each layer and what it may import, apart from itself. A file above all folders is a layer of its own. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  bin: ['cli', 'serve', 'host', 'hostlink', 'jobs', 'build', 'process', 'document'],
  cli: [
    ...['serve', 'host', 'openclaw', 'app', 'runs', 'ui', 'report', 'wording', 'engine', 'playbook'],
    ...['document', 'steps', 'transport', 'hostlink', 'process', 'build', 'failure.ts', 'duration.ts'],
  ],
  // Doors for programs, beside that for people.
  serve: [
    ...[
      'app',
      'runs',
      'ui',
      'report',
      'wording',
      'engine',
      'playbook',
      'document',
      'hostlink',
      'process',
      'build',
    ],
    ...['failure.ts', 'duration.ts'],
  ],
  // Runs at an OpenClaw node, through its gateway.
  openclaw: [
    ...['runs', 'playbook', 'document', 'steps', 'transport', 'hostlink', 'process', 'build', 'failure.ts'],
  ],
  host: [
    ...['app', 'runs', 'report', 'wording', 'engine', 'playbook', 'document', 'steps', 'hostlink', 'jobs'],
    ...['process', 'build', 'failure.ts'],
  ],
  app: [
    ...['runs', 'report', 'wording', 'engine', 'playbook', 'document', 'steps', 'transport', 'hostlink'],
    ...['process', 'build', 'failure.ts', 'duration.ts'],
  ],
  runs: [
    ...['report', 'engine', 'playbook', 'document', 'steps', 'transport', 'hostlink', 'process'],
    'failure.ts',
  ],
  ui: ['engine', 'wording', 'failure.ts'],
  report: ['engine', 'wording', 'failure.ts'],
  engine: ['playbook', 'document', 'steps', 'transport', 'hostlink', 'process', 'failure.ts', 'duration.ts'],
  playbook: ['document', 'steps', 'process', 'build', 'failure.ts', 'duration.ts'],
  steps: ['document', 'transport', 'process', 'failure.ts', 'duration.ts'],
  transport: ['document', 'hostlink', 'jobs', 'process', 'failure.ts', 'duration.ts'],
  hostlink: ['document', 'jobs', 'process', 'build'],
  jobs: ['process', 'build'],
  // What the bundle knows of itself.
  build: [],
  document: [],
  process: [],
  // The words of failures: for the faces only.
  wording: ['steps', 'transport', 'failure.ts', 'duration.ts'],
  'failure.ts': [],
  'duration.ts': [],
}

/** Files that only these may import. */
const ONLY_FOR: Record<string, (importer: string) => boolean> = {
  'transport/connect.ts': importer => importer.startsWith('app/') || importer === 'cli/commands/doctor.ts',
}

/** Layers that see one file of another layer only. */
const ONLY_THROUGH: Record<string, Record<string, readonly string[]>> = {
  ui: { engine: ['engine/events.ts'] },
  report: { engine: ['engine/events.ts'] },
}

describe('src/', () => {
  const files = readSources()

  test('has files that this test sees', () => {
    expect(files.size).toBeGreaterThan(5)
  })
  test('imports point down only', () => {
    expect(violations(files)).toEqual([])
  })
  test('has no cycles', () => {
    expect(cycles(files)).toEqual([])
  })
  test('has no two folders that import each other', () => {
    expect(mutual(files)).toEqual([])
  })
})

test('no exported name has two meanings, but for those that are still to be renamed', () => {
  expect(declaredTwice(readSources())).toEqual([])
})

const ASKS_FOR_SYSTEM = /process\.platform|\bplatform\(\)|[!=]== '(win32|windows|posix|darwin)'/

test('only one file asks which system this is', () => {
  const asking = [...readSources()].filter(([, text]) => ASKS_FOR_SYSTEM.test(text)).map(([file]) => file)
  expect(asking).toEqual(['process/platform.ts'])
})

describe('the rule finds', () => {
  const sample = (importer: string, imported: string) =>
    violations(
      new Map([
        [importer, `import { x } from '${relative(importer, imported)}'\n`],
        [imported, 'export const x = 1\n'],
      ]),
    )

  test.each([
    ['steps/git/git.ts', 'engine/run.ts'],
    ['transport/local.ts', 'steps/step.ts'],
    ['hostlink/link/client.ts', 'failure.ts'],
    ['hostlink/daemon/server.ts', 'transport/quote.ts'],
    ['playbook/load.ts', 'engine/plan.ts'],
    ['engine/run.ts', 'ui/tree.ts'],
    ['engine/run.ts', 'transport/connect.ts'],
    ['ui/tree.ts', 'engine/run.ts'],
    ['report/report.ts', 'engine/journal.ts'],
    ['ui/tree.ts', 'report/report.ts'],
    ['failure.ts', 'steps/step.ts'],
    ['newcomer/a.ts', 'failure.ts'],
  ])('%s importing %s', (importer, imported) => {
    expect(sample(importer, imported)).toHaveLength(1)
  })

  test.each([
    ['app/connect-to.ts', 'transport/connect.ts'],
    ['ui/tree.ts', 'engine/events.ts'],
    ['engine/run.ts', 'transport/transport.ts'],
    ['steps/git/git.ts', 'steps/step.ts'],
  ])('nothing in %s importing %s', (importer, imported) => {
    expect(sample(importer, imported)).toEqual([])
  })

  test.each([
    ["import type { A } from '../engine/run.ts'"],
    ["import {\n  a,\n  b, // from './elsewhere.ts'\n} from '../engine/run.ts'"],
    ["import '../engine/run.ts'"],
    ["export * from '../engine/run.ts'"],
    ["export { a } from '../engine/run.ts'"],
    ["const run = await import('../engine/run.ts')"],
    ["const run: typeof import('../engine/run.ts') = x"],
    ["const url = new URL('../engine/run.ts', import.meta.url)"],
  ])('the import in %j', text => {
    const files = new Map([
      ['steps/git/git.ts', text],
      ['engine/run.ts', ''],
    ])
    expect(violations(files)).toHaveLength(1)
  })

  test('an import of a file that is not there', () => {
    expect(violations(new Map([['steps/git/git.ts', "import './gone.ts'"]]))).toHaveLength(1)
  })

  test('a name that two files declare, and no other', () => {
    const files = new Map([
      ['steps/a.ts', "export type A = 1\nexport const once = 1\nexport { b } from './b.ts'"],
      ['steps/b.ts', 'export async function b() {}\nexport type A = 2\nconst once = 1\n'],
    ])
    expect(declaredTwice(files)).toEqual(['A'])
  })

  test('two folders that import each other, without a cycle of files', () => {
    const files = new Map([
      ['steps/a.ts', "import './git/b.ts'"],
      ['steps/git/b.ts', ''],
      ['steps/git/c.ts', "import '../d.ts'"],
      ['steps/d.ts', ''],
    ])
    expect(cycles(files)).toEqual([])
    expect(mutual(files)).toEqual(['steps <-> steps/git'])
  })

  test('a cycle over three files, once', () => {
    const files = new Map([
      ['steps/a.ts', "import './b.ts'"],
      ['steps/b.ts', "import type { C } from './c.ts'"],
      ['steps/c.ts', "import './a.ts'"],
      ['steps/d.ts', "import './a.ts'"],
    ])
    expect(cycles(files)).toEqual(['steps/a.ts -> steps/b.ts -> steps/c.ts -> steps/a.ts'])
  })
})

function violations(files: Files): string[] {
  return [...files.keys()].flatMap(importer =>
    importsOf(importer, files).flatMap(imported => {
      const reason = objection(importer, imported, files)
      return reason === null ? [] : [`${importer} imports ${imported}: ${reason}`]
    }),
  )
}

function objection(importer: string, imported: string, files: Files): string | null {
  if (!files.has(imported)) return 'no such file'
  if (ONLY_FOR[imported]?.(importer) === false) return 'only app may'
  const [from, to] = [layerOf(importer), layerOf(imported)]
  const allowed = MAY_IMPORT[from]
  if (allowed === undefined) return `${from} has no place in the order yet: give it one in this test`
  if (from === to) return null
  if (!allowed.includes(to)) return `${from} must not see ${to}`
  const through = ONLY_THROUGH[from]?.[to]
  return through && !through.includes(imported) ? `${from} sees only ${through.join(', ')}` : null
}

/** Pairs of folders, at any depth, of which each imports from the other. */
function mutual(files: Files): string[] {
  const seen = new Set(
    [...files.keys()].flatMap(importer =>
      importsOf(importer, files).flatMap(imported => {
        const [from, to] = [dirname(importer), dirname(imported)]
        return from === to || !files.has(imported) ? [] : [`${from} ${to}`]
      }),
    ),
  )
  return [...seen]
    .flatMap(pair => {
      const [from = '', to = ''] = pair.split(' ')
      return from < to && seen.has(`${to} ${from}`) ? [`${from} <-> ${to}`] : []
    })
    .sort()
}

/** Each cycle once, beginning with the name that sorts first. */
function cycles(files: Files): string[] {
  const found = new Set<string>()
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file)
    if (at !== -1) {
      found.add(printCycle(path.slice(at)))
      return
    }
    if (done.has(file)) return
    for (const next of importsOf(file, files)) if (files.has(next)) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of [...files.keys()].sort()) visit(file, [])
  return [...found]
}

function printCycle(members: readonly string[]): string {
  const start = members.indexOf([...members].sort()[0] ?? '')
  const turned = [...members.slice(start), ...members.slice(0, start)]
  return [...turned, turned[0]].join(' -> ')
}

const SPECIFIER =
  /(?:\bfrom|\bimport|\bimport\s*\(|\bnew\s+URL\s*\()\s*(['"])(\.{1,2}\/[^'"\n]+\.(?:ts|mjs|js))\1/g

function importsOf(file: string, files: Files): string[] {
  const code = (files.get(file) ?? '').replace(/^\s*(\/\/|\*|\/\*).*$|\s\/\/ .*$/gm, '')
  return [...code.matchAll(SPECIFIER)].map(match => posix.join(dirname(file), match[2] ?? ''))
}

function layerOf(file: string): string {
  return file.split('/')[0] ?? file
}

function relative(importer: string, imported: string): string {
  const path = posix.relative(dirname(importer), imported)
  return path.startsWith('.') ? path : `./${path}`
}

function readSources(): Files {
  const src = new URL('../src/', import.meta.url)
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  return new Map(names.map(name => [name, readFileSync(new URL(name, src), 'utf8')]))
}

function declaredTwice(files: Files): string[] {
  const declared = [...files.values()].flatMap(text => {
    const names = [...text.matchAll(/^export (?:async )?(?:function\*?|const|class|type) (\w+)/gm)]
    return [...new Set(names.map(match => match[1]!))]
  })
  return [...new Set(declared.filter((name, at) => declared.indexOf(name) !== at))].sort()
}
