// An upgrade by hostops beside the same by hand, and its way back beside a rebuild, in turns on one stack and engine.
// The waiting of the gates is set to the least on both sides: README.md says what is counted.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atLeast, atMost, dist, freePort, main, median, pause, told } from './rig.mjs'

const ROUNDS = 3
const GIVEN_UP_MS = 2000
const WORK = 'RUN i=0; while [ $i -lt 1600000 ]; do i=$((i+1)); done\n'
const FIXTURE = fileURLToPath(new URL('../docker/fixture.sh', import.meta.url))

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const port = await freePort()
  const stack = makeStack(folder, port)
  try {
    stack.deploy('v1')
    await stack.good()
    for (const version of ['v2', 'v4-unhealthy', 'v1']) stack.deploy(version)
    const taken = { hand: [], ours: [], pins: [], evidence: [], warm: [], unseen: [], cold: [] }
    for (let round = 0; round < ROUNDS; round++) {
      taken.hand.push(await stack.timed(() => stack.upgradeByHand('v2')))
      await stack.reset()
      taken.ours.push(await stack.timed(async () => expectOutcome(await stack.hostops('v2'), 'succeeded')))
      await stack.reset()
      const back = expectOutcome(await stack.hostops('v4-unhealthy'), 'rolled-back')
      taken.pins.push(rollbackMs(back))
      taken.evidence.push(evidenceMs(back))
      await stack.bad()
      taken.warm.push(await stack.timed(() => stack.byHand('v1')))
      taken.unseen.push(stack.unseen)
      await stack.bad()
      taken.cold.push(await stack.timed(() => stack.byHand('v1', ['--no-cache'])))
    }
    const [hand, ours, pins, evidence, warm, unseen, cold] = Object.values(taken).map(median)
    const bad = await stack.badAnswers(async () =>
      expectOutcome(await stack.hostops('v3-broken'), 'rolled-back'),
    )
    return [
      told('upgrade by hand', Math.round(hand), 'ms'),
      atMost('hostops adds to it', Math.round(ours - hand), 'ms', Math.round(Math.max(2000, hand / 10))),
      told('rollback from pins', Math.round(pins), 'ms'),
      told('evidence kept before it', Math.round(evidence), 'ms'),
      told('warm rebuild that nobody looks at to that', round2(unseen / pins), 'times'),
      atLeast('warm rebuild to rollback from pins', round2(warm / pins), 'times', 1),
      atLeast('cold rebuild to rollback from pins', round2(cold / pins), 'times', 2),
      atMost('bad answers during a failed build', bad, '', 0),
    ]
  } finally {
    stack.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

function makeStack(folder, port) {
  const project = folder.split('/').at(-1).toLowerCase()
  const dir = join(folder, 'gateway')
  const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
  execFileSync('bash', [FIXTURE, folder, String(port), project], quiet)
  withWork(folder)
  const git = (...args) => execFileSync('git', args, { ...quiet, cwd: dir })
  const docker = (...args) => execFileSync('docker', args, { ...quiet, cwd: dir })
  git('fetch', '-q', '--tags', '--force')
  const url = `http://127.0.0.1:${port}/readyz`
  const isGood = () =>
    fetch(url, { signal: AbortSignal.timeout(2000) }).then(
      answer => answer.ok,
      () => false,
    )
  const curled = () => spawnSync('curl', ['-fs', '-o', '/dev/null', '--max-time', '2', url]).status === 0
  const good = async () => {
    while (!(await isGood())) await pause(20)
  }
  const checkout = ref => git('-c', 'advice.detachedHead=false', 'checkout', '-q', '--force', ref)
  const playbook = ref => {
    const file = join(folder, 'upgrade.yaml')
    const steps = [
      { uses: 'git.dirty-check' },
      { uses: 'git.fetch' },
      { uses: 'git.checkout', with: { ref } },
      { uses: 'compose.build' },
      { uses: 'compose.up', with: { watch: '0s' } },
      {
        uses: 'health.poll',
        with: { urls: [url], timeout: `${GIVEN_UP_MS}ms`, interval: '50ms', successes: 1 },
      },
    ]
    const defaults = { repo: dir, dir, services: ['gateway'] }
    writeFileSync(file, JSON.stringify({ hostops: 1, name: 'upgrade', defaults, steps }))
    return file
  }
  const stack = {
    good,
    deploy(ref) {
      checkout(ref)
      docker('compose', 'up', '-d', '--build')
    },
    /** The bad version, as old as it is when hostops gives it up. */
    async bad() {
      stack.deploy('v4-unhealthy')
      await pause(GIVEN_UP_MS)
    },
    async reset() {
      stack.deploy('v1')
      await good()
    },
    /** `up` exits 0 for a crash loop: what it has made is looked at, as hostops does. */
    async byHand(ref, how = []) {
      const from = performance.now()
      checkout(ref)
      if (how.length > 0) docker('compose', 'build', ...how)
      docker('compose', 'up', '-d', '--build')
      stack.unseen = performance.now() - from
      docker('compose', 'ps', '-a')
      git('status', '--porcelain')
      while (!curled()) await pause(20)
    },
    async upgradeByHand(ref) {
      git('fetch', '-q')
      await stack.byHand(ref)
    },
    async timed(work) {
      const from = performance.now()
      await work()
      return performance.now() - from
    },
    /** The journal's events. */
    async hostops(ref) {
      const env = {
        ...process.env,
        HOSTOPS_STATE_DIR: join(folder, 'state'),
        XDG_STATE_HOME: join(folder, 'kept'),
      }
      const child = spawn(process.execPath, [dist('hostops'), 'run', playbook(ref), '--quiet'], {
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      let out = ''
      child.stdout.on('data', text => {
        out += text
      })
      await new Promise(resolve => child.once('close', resolve))
      const report = JSON.parse(out.slice(out.indexOf('{')))
      const journal = readFileSync(join(folder, 'state/runs', report.runId, 'journal.ndjson'), 'utf8')
      return {
        report,
        events: journal
          .trim()
          .split('\n')
          .map(line => JSON.parse(line)),
      }
    },
    async badAnswers(work) {
      let bad = 0
      let going = true
      const asking = (async () => {
        for (; going; await pause(20)) if (!(await isGood())) bad += 1
      })()
      await work()
      going = false
      await asking
      return bad
    },
    remove() {
      docker('compose', 'down', '-t', '0', '--remove-orphans')
      const names = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
      const ours = names.filter(name => name.includes(`${project}-`))
      if (ours.length > 0) docker('rmi', '-f', ...ours)
    },
  }
  return stack
}

/** The same versions with something to do in their builds. */
function withWork(folder) {
  const work = join(folder, 'work')
  execFileSync('git', ['clone', '-q', join(folder, 'upstream.git'), work])
  const git = (...args) =>
    execFileSync(
      'git',
      ['-c', 'user.name=x', '-c', 'user.email=x@y.invalid', '-c', 'advice.detachedHead=false', ...args],
      { cwd: work },
    )
  for (const tag of ['v1', 'v2', 'v3-broken', 'v4-unhealthy']) {
    git('checkout', '-q', tag)
    const file = join(work, 'Dockerfile')
    writeFileSync(file, readFileSync(file, 'utf8').replace('ENV GIT_REF', `${WORK}ENV GIT_REF`))
    git('commit', '-qam', `${tag} with work`)
    git('tag', '-f', '-a', '-m', tag, tag)
    git('push', '-q', '-f', 'origin', `refs/tags/${tag}`)
  }
  rmSync(work, { recursive: true, force: true })
}

function expectOutcome(run, outcome) {
  if (run.report.outcome !== outcome) throw new Error(JSON.stringify(run.report))
  return run
}

const at = ({ events }, wanted) => Date.parse(events.find(wanted).at)
const evidenceMs = run =>
  at(run, event => event.type === 'rollback-started') -
  at(run, event => event.type === 'step-finished' && event.status === 'failed')
const rollbackMs = ({ events }) => events.find(event => event.type === 'rollback-finished').durationMs
const round2 = value => Number(value.toFixed(2))

await main(import.meta, run)
