// The shipped playbook beside a person, a script and Ansible: how long each takes and how long nobody is served, for a version
// that is good and for each way to be bad. In turns on one stack and engine, each once alone and once asked from outside.
// --rounds N; --case 'crash loop' for one of them; the table of docs/time.md: --table.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { askedFromOutside, atMost, dist, freePort, main, median, pause, told } from './rig.mjs'

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    case: { type: 'string' },
    table: { type: 'boolean', default: false },
  },
  strict: false,
})
const ROUNDS = Number(given.rounds)
/** The script and Ansible wait out their whole patience: fewer rounds of them are enough. */
const ROUNDS_OF_PEERS = Math.min(ROUNDS, 3)
const PATIENCE_S = 12
const here = path => fileURLToPath(new URL(path, import.meta.url))
const hasAnsible = spawnSync('ansible-playbook', ['--version']).status === 0

/** By name: the version, and how hostops must call its end. */
const CASES = {
  'good upgrade': ['v2', 'succeeded'],
  'failed build': ['v3-broken', 'rolled-back'],
  'crash loop': ['v5-crashloop', 'rolled-back'],
  'unhealthy version': ['v4-unhealthy', 'rolled-back'],
}
const WANTED = Object.entries(CASES).filter(([name]) => (given.case ?? name) === name)
if (WANTED.length === 0) throw new Error(`no case "${given.case}": ${Object.keys(CASES).join(', ')}`)
const BACK = 'going back later'

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const stack = await makeStack(folder, await freePort())
  try {
    const taken = await rounds(stack)
    if (given.table) printMarkdown(taken)
    return figures(taken)
  } finally {
    stack.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function rounds(stack) {
  const taken = {}
  const keep = (name, tool, seen) => {
    taken[name] ??= {}
    taken[name][tool] ??= []
    taken[name][tool].push(seen)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const tools = round < ROUNDS_OF_PEERS ? stack.tools : [stack.hand, stack.hostops]
    for (const [name, [version, outcome]] of WANTED) {
      for (const tool of tools) {
        const [alone, beside] = [{}, {}]
        for (const [seen, watched] of [
          [alone, stack.timed],
          [beside, stack.watched],
        ]) {
          await stack.reset()
          seen[name] = await watched(() => tool.upgrade(version, outcome))
          if (name === 'good upgrade' && tool.back !== undefined)
            seen[BACK] = await watched(() => tool.back())
        }
        for (const each of Object.keys(alone))
          keep(each, tool.called, { ...alone[each], down: beside[each].down, stuck: beside[each].stuck })
      }
    }
    console.error(`round ${round + 1} of ${ROUNDS}`)
  }
  return taken
}

/** Medians; of rounds in which the poller itself met a container without a network, the wall only. */
function figures(taken) {
  const of = (name, tool) => {
    const all = taken[name][tool]
    const clean = all.filter(({ stuck }) => stuck === 0)
    return {
      wall: median(all.map(seen => seen.wall - seen.window)),
      down: median((clean.length > 0 ? clean : all).map(seen => seen.down)),
      apart: all.length - clean.length,
    }
  }
  const rows = []
  const compare = (name, limits) => {
    if (taken[name] === undefined) return
    const [hand, ours] = [of(name, 'by hand'), of(name, 'hostops')]
    rows.push(
      told(`${name}: by hand`, round2(hand.wall), 's'),
      atMost(`${name}: hostops, beyond the window`, round2(ours.wall), 's', round2(limits.wall(hand.wall))),
      told(`${name}: down by hand`, round2(hand.down), 's'),
      atMost(`${name}: down with hostops`, round2(ours.down), 's', round2(limits.down(hand.down))),
      told(`${name}: rounds set apart`, hand.apart + ours.apart, ''),
    )
  }
  const plus = more => hand => hand + more
  const times = factor => hand => hand * factor
  compare('good upgrade', { wall: plus(1.5), down: plus(0.15) })
  compare('failed build', { wall: plus(1.5), down: () => 0 })
  compare('crash loop', { wall: times(1.2), down: plus(0.15) })
  compare('unhealthy version', { wall: times(1.5), down: times(1.2) })
  compare(BACK, { wall: times(1.2), down: times(1) })
  const inside = taken['good upgrade']?.hostops
  if (inside === undefined) return rows
  rows.push(
    atMost('guard of a good upgrade', round2(median(inside.map(({ guard }) => guard))), 's', 0.3),
    atMost('snapshot of a good upgrade', round2(median(inside.map(({ snapshot }) => snapshot))), 's', 0.3),
  )
  return rows
}

async function makeStack(folder, port) {
  const project = folder.split('/').at(-1).toLowerCase()
  const dir = join(folder, 'gateway')
  const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  execFileSync('bash', [here('../docker/fixture.sh'), folder, String(port), project], quiet)
  const docker = (...args) => execFileSync('docker', args, { ...quiet, cwd: dir })
  const base = `http://127.0.0.1:${port}`
  const url = `${base}/readyz`
  const isGood = () =>
    fetch(url, { signal: AbortSignal.timeout(2000) }).then(
      answer => answer.ok,
      () => false,
    )
  const env = {
    ...process.env,
    HOSTOPS_STATE_DIR: join(folder, 'state'),
    XDG_STATE_HOME: join(folder, 'kept'),
  }
  const ends = async (argv, more = {}) => {
    const child = spawn(argv[0], argv.slice(1), {
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let out = ''
    child.stdout.on('data', text => {
      out += text
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    return { code, out }
  }
  const must = ({ code, out }, version) => {
    if (code !== (version === 'v2' ? 0 : 1) && code !== 2) throw new Error(`${version}: ${code}\n${out}`)
    return {}
  }
  const reported = async (argv, outcome) => {
    const { out } = await ends([process.execPath, dist('hostops'), ...argv])
    const report = JSON.parse(out.slice(out.indexOf('{')))
    if (report.outcome !== outcome) throw new Error(`${report.outcome}: ${report.error}`)
    return report
  }
  let last = null
  const hostops = {
    called: 'hostops',
    async upgrade(version, outcome) {
      const inputs = { repoPath: dir, ref: version, serviceName: 'gateway', gatewayBaseUrl: base }
      const words = Object.entries(inputs).flatMap(([name, value]) => ['-i', `${name}=${value}`])
      last = await reported(['run', 'upgrade-openclaw', ...words, '--quiet'], outcome)
      const times = timesOf(join(folder, 'state/runs', last.runId, 'journal.ndjson'))
      return { window: outcome === 'succeeded' ? WINDOW_S : 0, ...times }
    },
    async back() {
      await reported(['rollback', last.runId, '--quiet'], 'rolled-back')
      return {}
    },
  }
  const hand = {
    called: 'by hand',
    upgrade: async version =>
      must(await ends(['bash', here('peers/hand.sh'), dir, version, 'gateway', '120']), version),
    back: async () =>
      must(await ends(['bash', here('peers/hand.sh'), dir, 'v1', 'gateway', '120'], { BACK: '1' }), 'v2'),
  }
  const script = {
    called: 'a script',
    upgrade: async version =>
      must(
        await ends(['bash', here('peers/script.sh'), dir, version, 'gateway', `${PATIENCE_S}`, url]),
        version,
      ),
  }
  const ansible = {
    called: 'Ansible',
    upgrade: async version => {
      const vars = { repo: dir, ref: version, service: 'gateway', timeout: PATIENCE_S, url }
      return must(
        await ends(['ansible-playbook', here('peers/ansible.yaml'), '-e', JSON.stringify(vars)], {
          ANSIBLE_LOCALHOST_WARNING: 'False',
        }),
        version,
      )
    },
  }
  return {
    hand,
    hostops,
    tools: [hand, hostops, script, ...(hasAnsible ? [ansible] : [])],
    async reset() {
      execFileSync('git', ['-c', 'advice.detachedHead=false', 'checkout', '-q', '--force', 'v1'], {
        cwd: dir,
      })
      docker('compose', '--progress', 'quiet', 'up', '-d', '--build', '--wait')
      while (!(await isGood())) await pause(50)
    },
    /** Without the poller, because a request at a bad moment makes all others wait for a second. */
    async timed(work) {
      const from = performance.now()
      const more = await work()
      return { window: 0, ...more, wall: (performance.now() - from) / 1000 }
    },
    async watched(work) {
      const printed = await askedFromOutside('outside-poller.mjs', url, work)
      const [down, , stuck] = printed.trim().split(' ').map(Number)
      return { down, stuck }
    },
    remove() {
      docker('compose', 'down', '-t', '0', '--remove-orphans')
      const holders = docker('ps', '-aq', '--filter', `label=hostops.project=${project}`)
      for (const id of holders.split('\n').filter(Boolean)) docker('rm', '-f', '-v', id)
      const names = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
      const ours = names.filter(name => name.includes(`${project}-`))
      if (ours.length > 0) docker('rmi', '-f', ...ours)
    },
  }
}

/** In seconds. */
function timesOf(journal) {
  const events = readFileSync(journal, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const taken = (type, id) =>
    (events.find(event => event.type === type && event.id === id)?.durationMs ?? 0) / 1000
  return { guard: taken('step-finished', 'compose.guard'), snapshot: taken('snapshot-finished', undefined) }
}

const WINDOW_S = 10
const round2 = value => Number(value.toFixed(2))
const mean = (taken, name, tool, key) => {
  const all = taken[name]?.[tool]
  return all === undefined ? '–' : round2(median(all.map(seen => seen[key]))).toFixed(1)
}

function printMarkdown(taken) {
  const tools = ['by hand', 'hostops', 'a script', 'Ansible'].filter(tool => taken['good upgrade'][tool])
  console.log(`| | ${tools.join(' | ')} |\n|---|${tools.map(() => '---:|').join('')}`)
  for (const name of Object.keys(taken))
    for (const [key, what] of [
      ['wall', 'takes'],
      ['down', 'down'],
    ])
      console.log(`| ${name}, ${what} (s) | ${tools.map(tool => mean(taken, name, tool, key)).join(' | ')} |`)
}

await main(import.meta, run)
