/** What is written down as harmless, held against the programs themselves. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Form, readForms } from '../../../src/hostlink/daemon/policy/forms.ts'
import { COMPOSE_FORMS, DOCKER_FORMS } from '../../../src/hostlink/daemon/policy/forms-docker.ts'
import { FILE_FORMS } from '../../../src/hostlink/daemon/policy/forms-files.ts'
import { GIT_FORMS } from '../../../src/hostlink/daemon/policy/forms-git.ts'
import { hazardsOf } from '../../../src/hostlink/daemon/policy/hazard.ts'

const ANYWHERE = { isBound: false, leadsOut: () => false }
const BOUND = { isBound: true, leadsOut: (path: string) => path.startsWith('/') || path.includes('..') }
const TABLES: [string[], ReadonlyMap<string, Form>][] = [
  [['git'], GIT_FORMS],
  [['docker'], DOCKER_FORMS],
  [['docker', 'compose'], COMPOSE_FORMS],
  [[], FILE_FORMS],
]
const COMMANDS = TABLES.flatMap(([program, forms]) =>
  [...forms].map(([name, form]) => ({ words: [...program, ...name.split(' ')], form })),
)
const allNames = ({ flags, values, attached }: Form) => [...flags, ...values, ...attached]

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-forms-'))
  execFileSync('git', ['init', '-q', folder])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** How a program's own help writes its options: `-m, --message <text>`, `--track[=...]`, `-n, --tail string`. */
function takesValue(help: string, isValue: RegExp): Map<string, 'no' | 'next' | 'attached'> {
  const found = new Map<string, 'no' | 'next' | 'attached'>()
  for (const line of help.split('\n')) {
    const names = /^\s+(-[A-Za-z0-9])?(?:, )?(--(?:\[no-\])?[a-z0-9-]+)?(.*)$/.exec(line)
    if (names === null) continue
    const [, letter, long, rest = ''] = names
    // `-S<text>` and `--skip=<n>` may have it in either way.
    if (/^=?</.test(rest)) continue
    const kind = rest.startsWith('[') ? 'attached' : isValue.test(rest) ? 'next' : 'no'
    for (const name of [letter, long?.replace('[no-]', '')]) if (name !== undefined) found.set(name, kind)
  }
  return found
}

function disagreements(form: Form, told: ReturnType<typeof takesValue>): string[] {
  const wrong: string[] = []
  for (const name of allNames(form)) {
    const kind = told.get(name)
    if (kind === undefined) continue
    const read = form.values.has(name) ? 'next' : form.attached.has(name) ? 'attached' : 'no'
    // A value in the same word that we do not expect is refused: that does no harm.
    if ((kind === 'next') !== (read === 'next')) wrong.push(`${name}: ${kind}, read as ${read}`)
  }
  return wrong
}

describe('which options take the next word as their value', () => {
  test.each([...GIT_FORMS.keys()])('git %s', name => {
    const { stdout, stderr } = spawnSync('git', [name, '-h'], { cwd: folder, encoding: 'utf8' })
    const told = takesValue(stdout + stderr, /^ [<([]/)
    expect(disagreements(GIT_FORMS.get(name)!, told)).toEqual([])
  })

  const docker = spawnSync('docker', ['compose', 'version']).status === 0
  test
    .runIf(docker)
    .each([...DOCKER_FORMS.keys(), ...[...COMPOSE_FORMS.keys()].map(name => `compose ${name}`)])(
    'docker %s',
    name => {
      const { stdout } = spawnSync('docker', [...name.split(' '), '--help'], { encoding: 'utf8' })
      const form = DOCKER_FORMS.get(name) ?? COMPOSE_FORMS.get(name.replace('compose ', ''))!
      const told = takesValue(stdout, /^ [a-zA-Z]/)
      // An `exec` of docker's own help is that of its plugins, where the command is not there in this version.
      expect(disagreements(form, told)).toEqual([])
    },
  )
})

describe('the table', () => {
  test('says for each option whether a value follows', () => {
    const [form] = readForms('one two: -a -b: --long? -f/ =show <inside> <most 2>\n    -c').values()
    expect(readForms('one, two: -a').size).toBe(2)
    expect(form).toMatchObject({
      flags: new Set(['-a', '-c']),
      values: new Set(['-b', '-f']),
      attached: new Set(['--long']),
      paths: new Set(['-f']),
      actions: new Set(['show']),
      operands: 'inside',
      most: 2,
    })
  })

  test.each([
    'git --config-env --upload-pack --receive-pack --exec --exec-path --ext-diff --textconv --output --reference',
    'git --open-files-in-pager --file --template --contents --pathspec-from-file --exclude-from --add-file',
    'git --force-with-lease --hard --mirror --prune-tags --separate-git-dir --global --system --blob',
    'docker --privileged --cap-add --device --security-opt --volumes-from --env-file --secret --ssh --output',
    'docker --pid --ipc --uts --userns --runtime --cgroup-parent --iidfile --cidfile --build-context --cache-to',
    'docker --cache-from --use-api-socket --volume-driver --log-driver --label-file --rmi --input --down-project',
  ])('holds nothing of: %s', text => {
    const [program, ...names] = text.split(' ')
    for (const { words, form } of COMMANDS.filter(each => each.words[0] === program))
      expect([words, names.filter(name => allNames(form).includes(name))]).toEqual([words, []])
  })
})

describe('a free rule', () => {
  const command = fc.constantFrom(...COMMANDS)
  const option = fc.oneof(
    fc.stringMatching(/^--[a-z]{1,12}(-[a-z]{1,8})?(=.{0,5})?$/),
    fc.stringMatching(/^-[A-Za-z0-9]{1,4}$/),
  )

  test('lets no option through that is not written down, wherever it stands in front of what is passed on', () => {
    fc.assert(
      fc.property(
        command,
        option,
        fc.array(fc.constantFrom('x', 'y', '-'), { maxLength: 2 }),
        (asked, word, more) => {
          const { words, form } = asked
          const name = word.split('=')[0]!
          const letters = name.startsWith('--') ? [name] : [...name.slice(1)].map(letter => `-${letter}`)
          fc.pre(!letters.some(each => allNames(form).includes(each)) && !/^-\d+$/.test(name))
          const argv = [...words, ...(form.passes ? [] : more), word, ...more]
          const index = argv.lastIndexOf(word, argv.length - more.length - 1)
          const named = hazardsOf(argv[0]!, argv, ANYWHERE).flatMap(hazard =>
            hazard.words.map(each => each.index),
          )
          expect(named).toContain(index)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('takes nothing behind an option for its value that may be one itself', () => {
    const withValue = COMMANDS.filter(({ form }) => form.values.size > 0)
    fc.assert(
      fc.property(fc.constantFrom(...withValue), fc.nat(), option, ({ words, form }, pick, word) => {
        const values = [...form.values]
        const argv = [...words, values[pick % values.length]!, word, 'x']
        const named = hazardsOf(argv[0]!, argv, ANYWHERE).flatMap(hazard =>
          hazard.words.map(each => each.index),
        )
        expect(named).toContain(argv.length - 2)
        const ended = [...words, values[pick % values.length]!, '--', word]
        const alsoNamed = hazardsOf(argv[0]!, ended, ANYWHERE).flatMap(hazard =>
          hazard.words.map(each => each.index),
        )
        expect(alsoNamed).toContain(ended.length - 2)
      }),
    )
  })

  test('that is bound to a folder lets no path out of it', () => {
    const paths = COMMANDS.filter(({ form }) => form.operands !== 'free')
    const outside = fc.constantFrom('/', '/root', '/etc/shadow', '../x', 'a/../../x', '..')
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        outside,
        fc.constantFrom([], ['--']),
        ({ words }, path, dashes) => {
          const argv = [...words, ...dashes, path]
          const named = hazardsOf(argv[0]!, argv, BOUND).flatMap(hazard =>
            hazard.words.map(each => each.index),
          )
          expect(named).toContain(argv.length - 1)
        },
      ),
    )
    for (const { words, form } of COMMANDS)
      for (const name of form.paths) {
        for (const argv of [
          [...words, name, '/etc/x', '.'],
          [...words, name.startsWith('--') ? `${name}=/etc/x` : `${name}/etc/x`, '.'],
        ])
          expect(hazardsOf(argv[0]!, argv, BOUND)).not.toEqual([])
      }
  })
})
