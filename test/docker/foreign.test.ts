/**
 * A tree can have Compose read any file of the host and quote it: nothing of what lies outside the stack gets into an error, a
 * log or a report, also where no compose.guard stands in front of it.
 */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { makePlainStack, type PlainStack, STANDS } from '../rig/plain-stack.ts'

const missing = withoutDocker('what Compose quotes')
const LIMIT_MS = 120_000
/** Compose and its YAML would take none of it for something of their own. */
const WORD = 'WORDofAforeignFILE'

const compose = (gw = '', top = '') => `services: { gw: { ${STANDS}${gw} } }\n${top}`
/** As in /etc/shadow: a name, and what looks like variables. */
const SHADOW = `root:$y$${WORD}$rest:1:0\n`

type Tree = { files: Record<string, string>; foreign: string; links?: Record<string, string>; ends?: string }

const TREES: [string, (foreign: string) => Tree][] = [
  [
    'an env file with odd lines',
    f => ({ foreign: `${WORD}! = 1\n`, files: { 'compose.yaml': compose(`, env_file: "${f}"`) } }),
  ],
  [
    'an env file like /etc/shadow, which Compose can read',
    f => ({ foreign: SHADOW, files: { 'compose.yaml': compose(`, env_file: "${f}"`) }, ends: 'succeeded' }),
  ],
  [
    'an env file that asks for a variable',
    f => ({ foreign: `A=\${NONE:?${WORD}}\n`, files: { 'compose.yaml': compose(`, env_file: "${f}"`) } }),
  ],
  [
    'an env file without an end',
    f => ({ foreign: `A="${WORD}\n`, files: { 'compose.yaml': compose(`, env_file: "${f}"`) } }),
  ],
  [
    'a label file',
    f => ({ foreign: `${WORD}! = 1\n`, files: { 'compose.yaml': compose(`, label_file: "${f}"`) } }),
  ],
  [
    'an included file that is no compose file',
    f => ({ foreign: `${WORD}: 1\n`, files: { 'compose.yaml': `include: ["${f}"]\n${compose()}` } }),
  ],
  [
    'an included file that is no YAML',
    f => ({ foreign: `a: *${WORD}\n`, files: { 'compose.yaml': `include: ["${f}"]\n${compose()}` } }),
  ],
  [
    'an included file with a line that is quoted',
    f => ({ foreign: `${WORD}\n`, files: { 'compose.yaml': `include: ["${f}"]\n${compose()}` } }),
  ],
  [
    'an included env file',
    f => ({
      foreign: `${WORD}! = 1\n`,
      files: {
        'compose.yaml': `include: [{ path: more.yaml, env_file: "${f}" }]\n${compose()}`,
        'more.yaml': 'services: {}\n',
      },
    }),
  ],
  [
    'a value of an included env file that the engine does not like',
    f => ({
      foreign: `A=${WORD}\n`,
      files: {
        'compose.yaml': `include: [{ path: more.yaml, env_file: "${f}" }]\n${compose()}`,
        'more.yaml': `services: { more: { ${STANDS}, user: "\${A}" } }\n`,
      },
    }),
  ],
  [
    'a base that it extends',
    f => ({
      foreign: `services: { b: { ${WORD}: 1 } }\n`,
      files: { 'compose.yaml': compose(`, extends: { file: "${f}", service: b }`) },
    }),
  ],
  [
    'a service of a base that is not there',
    f => ({
      foreign: `services: { b: { hostname: "\${NONE:?${WORD}}" } }\n`,
      files: { 'compose.yaml': compose(`, extends: { file: "${f}", service: b }`) },
    }),
  ],
  [
    'a linked .env',
    f => ({ foreign: `${WORD}! = 1\n`, files: { 'compose.yaml': compose() }, links: { '.env': f } }),
  ],
  [
    'a value of a linked .env in a field of numbers',
    f => ({
      foreign: `A=${WORD}\n`,
      files: { 'compose.yaml': compose(', ports: ["${A}:1"]') },
      links: { '.env': f },
    }),
  ],
  [
    'a value of a linked .env that the engine does not like',
    f => ({
      foreign: `A=${WORD}\n`,
      files: { 'compose.yaml': compose(', user: "${A}"') },
      links: { '.env': f },
    }),
  ],
  [
    'a compose file that is a link',
    f => ({ foreign: `services: { gw: { ${WORD}: 1 } }\n`, files: {}, links: { 'compose.yaml': f } }),
  ],
  [
    'an env file behind a link of the tree',
    f => ({
      foreign: `${WORD}! = 1\n`,
      files: { 'compose.yaml': compose(', env_file: "own/x"') },
      links: { own: join(f, '..') },
    }),
  ],
  [
    'an env file that a variable names',
    f => ({ foreign: `${WORD}! = 1\n`, files: { 'compose.yaml': compose(`, env_file: "\${NONE:-${f}}"`) } }),
  ],
  [
    'a compose file that .env names',
    f => ({
      foreign: `services: { gw: { ${WORD}: 1 } }\n`,
      files: { 'compose.yaml': compose(), '.env': `COMPOSE_FILE=${f}\n` },
    }),
  ],
  [
    'a secret and a config',
    f => ({
      foreign: `${WORD}\n`,
      files: {
        'compose.yaml': compose(
          ', secrets: [s], configs: [c]',
          `secrets: { s: { file: "${f}" } }\nconfigs: { c: { file: "${f}" } }\n`,
        ),
      },
      ends: 'succeeded',
    }),
  ],
]

describe.skipIf(missing !== null)('of a foreign file nothing is told', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let stack: PlainStack
  let foreign: string
  beforeAll(() => {
    stack = makePlainStack({ 'compose.yaml': compose() })
  })
  afterAll(() => stack?.remove())
  beforeEach(() => {
    rig = hostopsRig()
    foreign = join(rig.folder, 'x')
  })
  afterEach(async () => {
    stack
      .docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${stack.project}`)
      .split('\n')
      .filter(Boolean)
      .forEach(id => void stack.docker('rm', '-f', id))
    await rig.remove()
  })

  /** All that is kept, but for what a way back needs and the raw output of commands that outlive their runner. */
  const written = (): string =>
    readdirSync(rig.state, { recursive: true, withFileTypes: true })
      .filter(each => each.isFile() && !/\/(rollback|jobs)(\/|$)/.test(each.parentPath))
      .map(each => readFileSync(join(each.parentPath, each.name), 'utf8'))
      .join('\n')
  const plant = ({ files, links = {}, foreign: text }: Tree) => {
    for (const name of ['.env', 'compose.yaml', 'more.yaml', 'own', 'own.env'])
      rmSync(join(stack.dir, name), { force: true })
    stack.put(files)
    for (const [name, to] of Object.entries(links)) symlinkSync(to, join(stack.dir, name))
    writeFileSync(foreign, text)
  }
  const steps = (...uses: object[]) => rig.playbook('plain', uses, { defaults: { dir: stack.dir } })

  test.each(TREES)('%s', async (_, tree) => {
    const made = tree(foreign)
    plant(made)
    const { ends = 'failed' } = made
    const ups = await rig.run([
      'run',
      steps({ uses: 'compose.up', with: { watch: '0s' } }),
      '--output',
      'json',
    ])
    expect(ups.report.outcome).toMatch(ends === 'failed' ? /^(failed|rolled)/ : ends)
    const checked = await rig.run(['run', steps({ uses: 'compose.up' }), '--check'])
    const others = [
      { uses: 'compose.build' },
      { uses: 'compose.logs' },
      { uses: 'compose.ps' },
      { uses: 'compose.exec', with: { service: 'gw', argv: ['true'] } },
    ].map(step => ({ ...step, continueOnError: true }))
    const looked = await rig.run(['run', steps(...others), '--output', 'json'])
    expect(looked.report.steps.map(({ status }) => status)).not.toContain('skipped')
    for (const { stdout, stderr } of [ups, checked, looked]) expect(stdout + stderr).not.toContain(WORD)
    expect(written()).not.toContain(WORD)
    if (ends === 'failed')
      expect(ups.report.error).toMatch(/what Compose says is not shown|yaml: line \d|ended with exit/)
  })

  test('of the stack’s own files Compose’s words are told', async () => {
    plant({ foreign: '', files: { 'compose.yaml': compose(', depends_on: [nobody]') } })
    const said = async () => (await rig.run(['run', steps({ uses: 'compose.up' })])).report.error
    expect(await said()).toContain('nobody')
    plant({ foreign: '', files: { 'compose.yaml': 'services:\n  gw:\n image: x\n' } })
    expect(await said()).toMatch(/yaml: line \d/)
    plant({
      foreign: '',
      files: { 'compose.yaml': compose(', env_file: [own.env], depends_on: [nobody]'), 'own.env': 'A=1\n' },
    })
    expect(await said()).toContain('nobody')
  })

  test('an env file of the owner’s outside of the stack costs only what Compose says while it loads', async () => {
    writeFileSync(foreign, 'A=1\n')
    plant({
      foreign: 'A=1\n',
      files: { 'compose.yaml': compose(`, env_file: "${foreign}", user: "nobody-of-that-name"`) },
    })
    expect((await rig.run(['run', steps({ uses: 'compose.up' })])).report.error).toContain(
      'nobody-of-that-name',
    )
    plant({
      foreign: 'A=1\n',
      files: { 'compose.yaml': compose(`, env_file: "${foreign}", depends_on: [nobody]`) },
    })
    expect((await rig.run(['run', steps({ uses: 'compose.up' })])).report.error).toContain(
      `what Compose says is not shown, because it reads ${foreign}, outside of the stack`,
    )
  })
})
