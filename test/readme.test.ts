/** The README is true: its blocks run, its links lead somewhere, what it names exists, and all that exists is named. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OUTCOMES } from '../src/engine/events.ts'
import { reportSchema, stepReportSchema } from '../src/report/report-schema.ts'
import { kinds } from '../src/steps/index.ts'
import { HOSTOPS, type HostopsRig, hostopsRig } from './rig/hostops.ts'
import { kindsReference } from './rig/kinds-reference.ts'

const root = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const README = root('README.md')
const text = readFileSync(README, 'utf8')

type Block = { info: string; body: string }
const blocks: Block[] = [...text.matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)].map(
  ([, info = '', body = '']) => ({ info, body }),
)

describe('blocks', () => {
  let rig: HostopsRig
  beforeAll(() => {
    rig = hostopsRig()
    // The file itself is the program, as it is after an installation.
    chmodSync(rig.write('bin/hostops', `#!/bin/sh\nexec '${process.execPath}' '${HOSTOPS}' "$@"\n`), 0o755)
  })
  afterAll(() => rig.remove())

  const live = blocks.filter(({ info }) => /^sh run|file=/.test(info))
  test('there are some to run', () => expect(live.length).toBeGreaterThan(4))
  test.each(live.map((block, at) => [at + 1, block] as const))('number %i', (_, { info, body }) => {
    const file = /file=(\S+)/.exec(info)?.[1]
    if (file !== undefined) {
      rig.write(file, body)
      return
    }
    const expected = Number(/exit=(\d+)/.exec(info)?.[1] ?? 0)
    const ended = spawnSync('sh', ['-e', '-c', body], {
      cwd: rig.folder,
      env: { ...rig.env, PATH: `${rig.path('bin')}:${process.env['PATH']}` },
      encoding: 'utf8',
    })
    expect(ended.status, ended.stderr).toBe(expected)
  })
})

test('the commands to start with are those of package.json', () => {
  const { scripts, bin } = JSON.parse(readFileSync(root('package.json'), 'utf8'))
  for (const [, script] of text.matchAll(/npm run ([a-z]+)/g)) expect(Object.keys(scripts)).toContain(script)
  expect(text).toContain('npm ci && npm test')
  expect(Object.keys(bin)).toEqual(['hostops', 'hostlink', 'hostlinkd', 'hostops-trigger'])
})

test('links lead to files that are there', () => {
  for (const file of ['README.md', 'src/README.md', 'examples/README.md'].map(root)) {
    const dir = file.replace(/[^/]*$/, '')
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(/\]\(([^)]+)\)/g)) {
      if (!target.startsWith('http'))
        expect(existsSync(dir + target.replace(/#.*/, '')), `${file}: ${target}`).toBe(true)
    }
  }
})

describe('every command and option', () => {
  const help = (...args: string[]) =>
    spawnSync(process.execPath, [HOSTOPS, ...args, '--help'], { encoding: 'utf8' }).stdout
  const commands = [...help().matchAll(/^ {2}([a-z]+)(?: .*)?$/gm)]
    .map(([, name]) => name)
    .filter(name => name !== 'hostops')
  const options = [...help('run').matchAll(/(--[a-z-]+)/g)].map(([, option]) => option)

  test('that is there is named', () => {
    expect(commands.length).toBeGreaterThan(10)
    expect(options.length).toBeGreaterThan(15)
    for (const command of commands) expect(text).toContain(`hostops ${command}`)
    for (const option of options)
      if (!/^--(help|input|config|playbooks)$/.test(option!)) expect(text).toContain(option)
  })
  test('that is named is there', () => {
    for (const [, command] of text.matchAll(/`hostops ([a-z]+)/g)) expect(commands).toContain(command)
    const section = text.slice(text.indexOf('Of `hostops run`'), text.indexOf('## Settings'))
    for (const [option] of section.matchAll(/--[a-z][a-z-]+/g)) expect(options).toContain(option)
  })
})

test('every outcome and every field of the report', () => {
  for (const outcome of OUTCOMES) expect(text).toContain(`| \`${outcome}\` |`)
  for (const field of [...Object.keys(reportSchema.shape), ...Object.keys(stepReportSchema.shape)])
    expect(text).toContain(`\`${field}\``)
})

test('the reference of step kinds is the one of the sources', () => {
  const [begin, end] = [/<!-- step kinds: .* -->\n/, '<!-- end of step kinds -->']
  const start = text.search(begin) + (begin.exec(text)?.[0].length ?? 0)
  const wanted = `\n${kindsReference(kinds)}\n`
  if (process.env['UPDATE_README'])
    writeFileSync(README, text.slice(0, start) + wanted + text.slice(text.indexOf(end)))
  else expect(text.slice(start, text.indexOf(end)), 'UPDATE_README=1 writes it').toBe(wanted)
})
