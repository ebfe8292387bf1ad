/** Playbooks that a token with a policy may not start, because its holder would choose what runs as root of the host. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bindsRefs, unguarded, unguardedStart } from '../../src/host/guarded.ts'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { kinds } from '../../src/steps/index.ts'

const REF = '${{ inputs.ref }}'
const guard = { uses: 'compose.guard', with: { ref: REF } }
const checkout = { uses: 'git.checkout', with: { ref: REF } }
const set = { uses: 'env.set', with: { set: { IMAGE: '${{ inputs.allow }}' } } }
const up = { uses: 'compose.up' }
const TEXT = '${{ inputs.allow }}'
const FREE = { IMAGE: '${{ inputs.allow }}' }
const REPO = '${{ inputs.repo }}'
const named = (refs: unknown, more: object = {}) => ({ ...checkout, with: { ref: REF, refs, ...more } })
const playbook = (steps: object[], ref: object = {}) =>
  JSON.stringify({
    hostops: 1,
    name: 'up',
    inputs: {
      ref: { type: 'ref', ...ref },
      allow: { type: 'string', default: '' },
      repo: { type: 'path', default: '/srv/app' },
    },
    defaults: { repo: '/srv/app', dir: '/srv/app' },
    steps,
  })

test.each<[string, object[], object?, object?]>([
  ['a guard before the checkout', [guard, checkout, up]],
  ['nothing that is started', [checkout]],
  ['a ref that is written there', [{ ...checkout, with: { ref: 'main' } }, up]],
  ['a ref that is pinned', [checkout, up], {}, { ref: 'main' }],
  ['a ref with a pattern', [checkout, up], { pattern: 'v[0-9]+' }],
  ['signatures', [{ ...checkout, with: { ref: REF, verify: 'signature' } }, up]],
  [
    'a guard with a pinned allow',
    [{ ...guard, with: { ref: REF, allow: '${{ inputs.allow }}' } }, checkout, up],
    {},
    { allow: '' },
  ],
  ['tags that the playbook names', [named(['tags/v*']), up]],
  ['a branch that it names', [named(['refs/heads/main', 'heads/release-?']), up]],
  ['names in a checkout that is pinned', [named(['tags/v*'], { repo: REPO }), up], {}, { repo: '/srv/app' }],
  [
    'a variable that the playbook writes',
    [guard, checkout, { uses: 'env.set', with: { set: { A: 'b' } } }, up],
  ],
  ['a free variable that a guard judges', [set, guard, checkout, up]],
  ['a free variable that nothing starts with', [set]],
  ['a free variable that a guard judges in the next run', [guard, up, set]],
  ['a variable of a step that the playbook writes', [{ ...up, env: { A: 'b' } }]],
  [
    'a variable of a step that a guard has as well',
    [
      { ...guard, env: FREE },
      { ...up, env: FREE },
    ],
  ],
  ['a command behind a guard', [guard, checkout, up, { run: ['/srv/app/migrate'] }]],
  [
    'a word behind a command',
    [{ run: ['docker', 'compose', 'restart', TEXT] }, { run: ['/srv/app/task', '--name', TEXT] }],
  ],
  ['a text behind --', [{ run: ['tar', '-xf', '/srv/a.tar', '--', TEXT] }]],
  ['a text in a word', [{ run: ['git', 'log', `--author=${TEXT}`] }, { run: ['git', 'log', REF] }]],
  ['a text that is pinned', [{ run: ['node', '/srv/task.js', TEXT] }], {}, { allow: 'x' }],
  ['an argument of a script', [{ run: ['sh', '-c', 'echo "$1"', 'sh', TEXT] }]],
  ['a script that gets it as a variable', [{ script: 'echo "$NAME"', env: { NAME: TEXT } }]],
  ['a command that is pinned', [{ run: ['sh', '-c', TEXT] }], {}, { allow: 'true' }],
  ['what runs in a container', [{ uses: 'compose.exec', with: { argv: ['sh', '-c', TEXT] } }]],
  ['a command where nothing is checked out', [{ run: ['/srv/app/task'] }, { script: 'true' }]],
  ['a folder by an input of type path, which the check warns of', [{ ...up, with: { dir: REPO } }]],
  [
    'a folder that is left out by what is pinned',
    [{ ...up, when: "inputs.allow == 'yes'", with: { files: ['${{ inputs.allow }}'] } }],
    {},
    { allow: 'no' },
  ],
  [
    'a variable that is left out by what is pinned',
    [guard, checkout, { ...set, when: "inputs.allow == 'yes'" }, up],
    {},
    { allow: 'no' },
  ],
])('%s is enough', (_, steps, ref, pinned = {}) => {
  expect(unguarded(playbook(steps, ref), pinned as Record<string, unknown>)).toBeNull()
})

test.each<[string, object[]]>([
  ['no guard', [checkout, up]],
  ['an image from a Dockerfile', [checkout, { uses: 'image.build' }]],
  ['a guard afterwards', [checkout, guard, up]],
  ['a checkout whose tree the next run starts', [up, checkout]],
  [
    'a remote of the caller’s choice',
    [{ ...checkout, with: { ref: 'main', remote: '${{ inputs.allow }}' } }, up],
  ],
  ['a command that may run anything of the tree', [checkout, { run: ['./deploy.sh'], cwd: '/srv/app' }]],
  ['a script that may', [checkout, { script: 'make install' }]],
  ['a command that is written in full', [checkout, { uses: 'command', with: { argv: ['make'] } }]],
  ['a program of the caller’s choice', [{ run: [TEXT] }]],
  ['a shell that reads its text', [{ run: ['sh', '-c', `echo ${TEXT}`] }]],
  ['the same, written in full', [{ uses: 'command', with: { argv: ['bash', '-ec', TEXT] } }]],
  ['a shell that takes it back', [{ run: ['true'], undo: ['sh', '-c', TEXT] }]],
  ['an option of tar', [{ run: ['tar', '-xf', '/srv/a.tar', TEXT] }]],
  ['an option of git', [{ run: ['/usr/bin/git', 'fetch', 'origin', TEXT] }]],
  ['an option of Node', [{ uses: 'command', with: { argv: ['node', '/srv/task.js', TEXT, '--'] } }]],
  ['any unit', [{ run: ['systemctl', 'restart', TEXT] }]],
  ['any package', [{ run: ['npm', 'install', TEXT] }]],
  ['a command behind sudo', [{ run: ['sudo', TEXT] }]],
  ['a variable that names code', [{ script: 'true', env: { LD_PRELOAD: TEXT } }]],
  ['a guard without the variable that is started with', [guard, checkout, { ...up, env: { DATA: '/' } }]],
  ['a pattern without a letter', [named(['tags/*.*']), up]],
  ['a guard of another ref', [{ ...guard, with: { ref: 'main' } }, checkout, up]],
  ['a guard of another folder', [{ ...guard, with: { ref: REF, dir: '/srv/other' } }, checkout, up]],
  ['a guard of other services', [{ ...guard, with: { ref: REF, services: ['x'] } }, checkout, up]],
  ['a guard that may be skipped', [{ ...guard, when: 'inputs.allow == ""' }, checkout, up]],
  ['a guard that may fail', [{ ...guard, continueOnError: true }, checkout, up]],
  [
    'a guard that allows what the caller says',
    [{ ...guard, with: { ref: REF, allow: '${{ inputs.allow }}' } }, checkout, up],
  ],
  [
    'a guard that allows it in a roundabout way',
    [{ ...guard, with: { ref: REF, allow: '${{ inputs["allow"] }}' } }, checkout, up],
  ],
  ['any branch', [named(['heads/**']), up]],
  ['any tag', [named(['refs/tags/*']), up]],
  ['any tag beside a name', [named(['tags/v*', 'tags/?*']), up]],
  ['no name', [named([]), up]],
  ['a name that the caller gives', [named(['${{ "tags/" + inputs.ref }}']), up]],
  ['names of its caller’s', [named('${{ inputs.allow }}'), up]],
  ['names in a checkout of the caller’s choice', [named(['tags/v*'], { repo: REPO }), up]],
  ['names at a remote of its choice', [named(['tags/v*'], { remote: '${{ inputs.allow }}' }), up]],
  ['names of what nobody has published', [named(['heads/main'], { unpublished: true }), up]],
  ['a run id, which the caller chooses', [{ ...checkout, with: { ref: '${{ run.id }}' } }, up]],
  ['a second checkout', [guard, checkout, { ...checkout, with: { ref: '${{ inputs.ref + "x" }}' } }, up]],
  ['a free variable behind the guard', [guard, checkout, set, up]],
  ['a free variable without any ref', [set, up]],
  ['a free variable that is sometimes set', [guard, checkout, { ...set, when: "inputs.allow == 'yes'" }, up]],
  ['a free variable for the next run', [up, set]],
  ['a free variable of the step itself', [{ ...up, env: FREE }]],
  ['a free variable of the step, which no guard has', [guard, checkout, { ...up, env: FREE }]],
  [
    'a free variable that is judged for the first of two stacks',
    [set, guard, up, { ...up, with: { dir: '/srv/other' } }],
  ],
  [
    'a free variable that a guard judges by what the caller says',
    [set, { ...guard, with: { ref: 'main', allow: '${{ inputs.allow }}' } }, up],
  ],
  ['a compose file of the caller’s choice', [{ ...up, with: { files: ['${{ inputs.allow }}'] } }]],
  ['a folder that it spells', [{ ...up, with: { dir: '/srv/${{ inputs.allow }}' } }]],
  ['a build in a folder of its choice', [{ uses: 'image.build', with: { context: '${{ inputs.allow }}' } }]],
  [
    'a free variable that is judged by a guard of another folder',
    [set, { ...guard, with: { ref: REF, dir: '/x' } }, checkout, up],
  ],
])('%s is not enough', (_, steps) => {
  expect(unguarded(playbook(steps), {})).toMatch(/the caller (chooses|would choose)|runs other programs/)
})

test('what the runner reads is read here, with a description that commas have cut', () => {
  const text = `hostops: 1
name: up
inputs: { ref: { type: ref, description: fast, no checks, no checks } }
defaults: { repo: /srv/app, dir: /srv/app }
steps: [{ uses: git.checkout, with: { ref: "\${{ inputs.ref }}" } }, { uses: compose.up }]
`
  expect(loadPlaybook(text, 'up.yaml', kinds)).toMatchObject({ ok: true })
  expect(unguarded(text, {})).toMatch(/no compose.guard before it/)
})

test('the shipped upgrade needs allowPowers pinned, what makes the image, and which state is put back', () => {
  const text = readFileSync(new URL('../../playbooks/upgrade-openclaw.yaml', import.meta.url), 'utf8')
  expect(unguarded(text, {})).toBe('the caller chooses what compose.guard allows')
  expect(unguarded(text, { allowPowers: '' })).toBe(
    'the caller chooses what env.set writes, and compose.up uses it',
  )
  for (const pinned of [{ imageFrom: 'compose' }, { image: 'ghcr.example/x:1' }]) {
    expect(unguarded(text, { allowPowers: '', ...pinned })).toBe(
      'the caller chooses what files.snapshot copies and puts back',
    )
    expect(unguarded(text, { allowPowers: '', statePath: '', ...pinned })).toBeNull()
  }
})

test('a ref is bound where each checkout narrows, verifies or judges it', () => {
  const binds = (...steps: object[]) => bindsRefs(playbook(steps), {})
  expect(binds({ run: ['git', 'checkout', REF] })).toBe(false)
  expect(binds(checkout)).toBe(false)
  expect(binds(checkout, named(['tags/v*']))).toBe(false)
  expect(binds({ ...checkout, with: { ref: REF, verify: 'signature' } }, named(['tags/v*']))).toBe(true)
  expect(binds(named(['heads/**']))).toBe(false)
  expect(binds(guard, checkout)).toBe(true)
  expect(binds({ ...guard, with: { ref: REF, allow: '${{ inputs.allow }}' } }, checkout)).toBe(false)
})

const file = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const shipped = file('playbooks/upgrade-openclaw.yaml')
const ownProcess = file('examples/upgrade-process.yaml')
const inFolder = playbook([{ run: ['./backup.sh'], cwd: REPO }])
const chained = playbook([{ run: ['${{ inputs.program }}'] }]).replace(
  '"inputs":{',
  '"inputs":{"name":{"type":"string","default":"x"},"program":{"type":"string","default":"/bin/${{ inputs.name }}"},',
)

test.each<[string, string, Record<string, unknown>, string[], RegExp | null]>([
  ['the ref of a guarded stack', shipped, { repoPath: '/srv' }, ['ref'], null],
  ['folder and ref of one', shipped, {}, ['repoPath', 'ref'], null],
  ['what its guard allows', shipped, {}, ['repoPath', 'allowPowers'], /what compose.guard allows/],
  ['what its guard allows, beside the usual ref', shipped, { repoPath: '/srv' }, ['allowPowers'], /allows/],
  ['another source of its image', shipped, {}, ['repoPath', 'imageFrom', 'image'], /./],
  ['the program of a command', ownProcess, {}, ['restart'], /the program of a command/],
  ['the folder of a stack', file('examples/compose-minimal.yaml'), {}, ['dir'], /chooses dir of/],
  [
    'the folder of a stack that is restarted',
    file('playbooks/restart-service.yaml'),
    {},
    ['composePath'],
    /folder/,
  ],
  ['its service', file('playbooks/restart-service.yaml'), { composePath: '/srv' }, ['serviceName'], null],
  ['the folder of a command', inFolder, {}, ['repo'], /folder that a command runs in/],
  ['another input of it', inFolder, {}, ['ref'], null],
  ['nothing, where the owner has chosen', ownProcess, { restart: '/srv/restart' }, ['baseUrl'], null],
  ['the ref of a tree whose command runs', ownProcess, { restart: '/srv/restart' }, ['ref'], /compose.guard/],
  ['what a program is computed from', chained, {}, ['name'], /the program of a command/],
  ['nothing at all', chained, {}, [], null],
])('a start whose caller gives %s', (_, text, values, given, why) => {
  const reason = unguardedStart(text, values, given)
  if (why === null) expect(reason).toBeNull()
  else expect(reason).toMatch(why)
})
