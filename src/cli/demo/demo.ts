/** `npm run demo`: a real upgrade, and a real one that fails and goes back, through a daemon of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask, headOf, makeWorld, type World } from './world.ts'

const dist = dirname(fileURLToPath(import.meta.url))
const playbook = join(dist, '..', 'examples', 'upgrade-process.yaml')

const colour = process.stdout.isTTY && !process.env.NO_COLOR
const bold = (text: string) => (colour ? `\u001b[1m${text}\u001b[22m` : text)
const say = (...lines: string[]) => console.log(lines.join('\n'))

/** What a signal or the end has to deal with. */
const now: { world: World | null; child: ChildProcess | null; stopped: NodeJS.Signals | null } = {
  world: null,
  child: null,
  stopped: null,
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    now.stopped ??= signal
    // A terminal sends Ctrl-C to the run as well; the other signals come to us only.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) now.child?.kill(signal)
  })
}

try {
  process.exitCode = await demo()
} catch (error) {
  console.error(`error: the demo could not go on: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  await now.world?.remove()
  if (now.stopped) say('', `stopped by ${now.stopped}; nothing is left behind`)
}

async function demo(): Promise<number> {
  say(
    bold('hostops demo'),
    'Everything happens in a temporary folder: a git repository with v1, v2 and v3,',
    'a service that runs v1, and a hostlinkd on a private socket with a throw-away',
    'token, through which every step goes.',
    '',
  )
  const world = await makeWorld(dist)
  now.world = world
  if (now.stopped) return 130
  say(`the checkout is at ${headOf(world.checkout)}; the service says: ${await ask(world.baseUrl)}`, '')

  say(bold('1. an upgrade to v2'), '')
  const good = await upgrade(world, 'v2')
  if (now.stopped) return 130
  say('', `the checkout is at ${headOf(world.checkout)}; the service says: ${await ask(world.baseUrl)}`, '')

  say(bold('2. an upgrade to v3, which starts and never becomes ready'), '')
  const bad = await upgrade(world, 'v3')
  if (now.stopped) return 130
  const after = await ask(world.baseUrl)
  say('', `the checkout is at ${headOf(world.checkout)}; the service says: ${after}`, '')

  const asExpected = good.outcome === 'succeeded' && bad.outcome === 'rolled-back' && after === 'this is v2'
  say(
    asExpected ? bold('What you have seen') : bold('This is not what should have happened; please report it'),
    `  v2: outcome ${good.outcome}, exit code ${good.code}`,
    `  v3: outcome ${bad.outcome}, exit code ${bad.code}: the health poll failed, checkout and`,
    '      service went back, and that was verified before it was said',
    '',
    'What to type next',
    '  cat examples/upgrade-process.yaml   the playbook that ran',
    '  node dist/hostops.js list           the playbooks that come with it',
    '  node dist/hostops.js doctor         is everything there for your own?',
    '  node dist/hostops.js init           a commented playbook to begin with',
  )
  return asExpected ? 0 : 1
}

type Ended = { code: number; outcome: string }

async function upgrade(world: World, ref: string): Promise<Ended> {
  const inputs = [
    `repoPath=${world.checkout}`,
    `ref=${ref}`,
    `restart=${world.restart}`,
    `baseUrl=${world.baseUrl}`,
    'healthTimeout=4s',
  ]
  const args = ['run', playbook, ...inputs.flatMap(input => ['-i', input]), '--target', 'hostlink']
  say(`$ hostops run examples/upgrade-process.yaml -i ref=${ref} ... --target hostlink`)
  const run = spawn(process.execPath, [join(dist, 'hostops.js'), ...args], {
    env: world.env,
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  now.child = run
  let out = ''
  run.stdout.setEncoding('utf8').on('data', text => {
    out += text
  })
  const code = await new Promise<number>((resolve, reject) => {
    run.once('error', reject)
    run.once('close', status => resolve(status ?? -1))
  })
  now.child = null
  const line = out.trimEnd().split('\n').at(-1) ?? ''
  const { outcome, ...report } = JSON.parse(line.replace(/^OPENCLAW_RESULT_JSON:/, ''))
  const short = (sha: string | null) => sha?.slice(0, 8) ?? null
  say('', 'stdout had one line, which begins OPENCLAW_RESULT_JSON: and holds, among others,')
  say(
    `  outcome ${outcome}, success ${report.success}, exit code ${code},`,
    `  beforeSha ${short(report.beforeSha)}, afterSha ${short(report.afterSha)}, readyz ${report.readyz}, rollbackVerified ${report.rollbackVerified}`,
  )
  return { code, outcome }
}
