/** `npm run demo`: a real upgrade, and a real one that fails and goes back, through a daemon of its own. */
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa, execaSync } from 'execa'
import { wrap } from '../../src/ui/text.ts'
import { ask, headOf, makeWorld, type World } from './world.ts'

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..')

const WIDEST = 80

/** What a signal or the end has to deal with. */
const now: {
  remove: World['remove'] | null
  child: { kill(signal: NodeJS.Signals): boolean } | null
  stopped: NodeJS.Signals | null
} = { remove: null, child: null, stopped: null }

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    now.stopped ??= signal
    // A terminal sends Ctrl-C to the run as well; the other signals come to us only.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) now.child?.kill(signal)
  })
}

for (const stream of [process.stdout, process.stderr])
  stream.on('error', () => {
    // Nobody reads any more (`| head`): what was started has to be taken away all the same.
    now.stopped ??= 'SIGPIPE'
    now.child?.kill('SIGTERM')
  })

try {
  process.exitCode = isHere('git') ? await demo() : 1
} catch (error) {
  // A signal that came while a program was waited for is told after the program has failed of it.
  await sleep(50)
  if (!now.stopped)
    console.error(`error: the demo could not go on: ${error instanceof Error ? error.message : error}`)
  process.exitCode = now.stopped ? 130 : 1
} finally {
  await now.remove?.()
  if (now.stopped) say('', `stopped by ${now.stopped}; nothing is left behind`)
}

async function demo(): Promise<number> {
  say(
    bold('hostops demo'),
    'Everything happens in a temporary folder: a git repository with v1, v2 and v3, ' +
      'a service that runs v1, and a hostlinkd on a private socket with a throw-away ' +
      'token, through which every step goes.',
  )
  const world = await makeWorld(packageRoot, remove => {
    now.remove = remove
  })
  if (now.stopped) return 130
  say(`The service is ${world.service.what}${world.whyNoCompose ? `: ${world.whyNoCompose}` : ''}.`)
  if (world.hasOwnCurl) say('There is no curl here: a small program of the demo answers the polls instead.')
  say('')
  await sayState(world)

  say('', bold('1. an upgrade to v2'), '')
  const good = await upgrade(world, 'v2')
  if (now.stopped) return 130
  const between = await sayState(world)

  say('', bold('2. an upgrade to v3, which starts and never becomes ready'), '')
  const bad = await upgrade(world, 'v3')
  if (now.stopped) return 130
  const after = await sayState(world)

  const wentBack = bad.outcome === 'rolled-back'
  const asExpected = good.outcome === 'succeeded' && wentBack && between === after && after === 'this is v2'
  say(
    '',
    asExpected ? bold('What you have seen') : bold('This is not what should have happened; please report it'),
    `  v2: outcome ${good.outcome}, exit code ${good.code}`,
    `  v3: outcome ${bad.outcome}, exit code ${bad.code}`,
    ...(wentBack
      ? [
          '      the health poll failed, checkout and service went back, and that was verified before it was said',
        ]
      : []),
    '',
    'What to type next',
    `  cat ${nameOf(world)}`,
    '      the playbook that ran',
    '  node dist/hostops.cjs list',
    '      the playbooks that come with it',
    '  node dist/hostops.cjs doctor',
    '      is everything there for one of your own?',
    '  node dist/hostops.cjs init',
    '      a commented playbook to begin with',
  )
  return asExpected ? 0 : 1
}

async function sayState(world: World): Promise<string> {
  const answer = await ask(world.baseUrl)
  say(`The checkout is at ${headOf(world.checkout)}; the service says: ${answer}`)
  return answer
}

async function upgrade(world: World, ref: string): Promise<{ code: number; outcome: string }> {
  const { runs, inputs } = world.service
  const given = Object.entries(inputs(world.checkout, ref)).flatMap(([key, value]) => [
    '-i',
    `${key}=${value}`,
  ])
  say(`$ hostops run ${nameOf(world)} -i ref=${ref} ... --target hostlink`)
  const { code, out } = await hostops(['run', runs, ...given, '--target', 'hostlink'], world)
  // Stopped before it had read its arguments, it says nothing.
  if (now.stopped && out === '') return { code, outcome: 'interrupted' }
  const line = out.trimEnd().split('\n').at(-1) ?? ''
  const report = JSON.parse(line.replace(/^OPENCLAW_RESULT_JSON:/, ''))
  const short = (sha: string | null) => sha?.slice(0, 8) ?? null
  say(
    '',
    'stdout had one line, which begins OPENCLAW_RESULT_JSON: and holds, among others,',
    `  outcome ${report.outcome}, success ${report.success},`,
    `  beforeSha ${short(report.beforeSha)}, afterSha ${short(report.afterSha)},`,
    `  healthz ${report.healthz}, readyz ${report.readyz}, rollbackVerified ${report.rollbackVerified}`,
    '',
  )
  return { code, outcome: report.outcome }
}

async function hostops(args: string[], world: World): Promise<{ code: number; out: string }> {
  const run = execa(process.execPath, [join(packageRoot, 'dist', 'hostops.cjs'), ...args], {
    env: world.env,
    stdio: ['inherit', 'pipe', 'inherit'],
    reject: false,
  })
  now.child = run
  const { exitCode, stdout } = await run
  now.child = null
  return { code: exitCode ?? -1, out: stdout }
}

function nameOf(world: World): string {
  return relative(packageRoot, world.service.playbook)
}

function isHere(program: string): boolean {
  if (execaSync(program, ['--version'], { reject: false }).exitCode !== undefined) return true
  console.error(`error: the demo needs ${program}, which is not here\nhint: install ${program}`)
  return false
}

/** Broken at the terminal's width, each line under its own beginning. */
function say(...lines: string[]): void {
  const columns = Math.min(process.stdout.columns || WIDEST, WIDEST)
  for (const line of lines) {
    const indent = line.slice(0, line.length - line.trimStart().length)
    const rows = line.length < columns ? [line.trimStart()] : wrap(line, columns - indent.length - 1, 99)
    for (const row of rows) console.log(`${indent}${row}`)
  }
}

function bold(text: string): string {
  return process.stdout.isTTY && !process.env['NO_COLOR'] ? `\u001b[1m${text}\u001b[22m` : text
}
