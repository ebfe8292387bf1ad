// Requests that fail while compose.rollout replaces a service behind a real nginx, for versions that end in each way.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { askedFromOutside, atMost, dist, freePort, main, pause } from './rig.mjs'

const ROUNDS = 3
const here = path => fileURLToPath(new URL(path, import.meta.url))
const EXAMPLE = here('../../examples/rollout')
const GOOD = 'exec httpd -f -p 8080 -h /www'
const VERSIONS = {
  v1: { start: GOOD },
  good: { start: GOOD },
  crash: { start: 'exit 3' },
  unhealthy: { start: GOOD, readyz: '' },
  'late crash': { start: 'httpd -p 8080 -h /www; sleep 2; exit 4' },
}
/** A version, the step behind the rollout, and how that must end. */
const CASES = {
  'good version': ['good', 'true', 'succeeded'],
  'crash loop': ['crash', 'true', 'rolled-back'],
  'unhealthy version': ['unhealthy', 'true', 'rolled-back'],
  'late crash': ['late crash', 'true', 'rolled-back'],
  'later step fails': ['good', 'false', 'rolled-back'],
}

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const stack = await makeStack(folder)
  try {
    const seen = Object.fromEntries(Object.keys(CASES).map(name => [name, { failed: 0, requests: 0 }]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, [version, last, outcome]] of Object.entries(CASES)) {
        const counts = await stack.askedDuring(() => stack.hostops(version, last, outcome))
        seen[name].failed += counts.failed.length
        seen[name].requests += counts.requests
        if (outcome === 'succeeded') await stack.hostops('v1', 'true', 'succeeded')
      }
    }
    return Object.entries(seen).map(([name, { failed, requests }]) =>
      atMost(`failed requests, ${name}`, failed, `of ${requests}`, 0),
    )
  } finally {
    stack.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function makeStack(folder) {
  const project = folder.split('/').at(-1).toLowerCase()
  const [dir, nginx] = [join(folder, project), join(folder, 'nginx')]
  mkdirSync(dir)
  mkdirSync(join(nginx, 'upstreams'), { recursive: true })
  const port = await freePort()
  const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`
  const env = { ...process.env, PATH: path }
  const run = (...argv) =>
    execFileSync(argv[0], argv.slice(1), { cwd: dir, env, encoding: 'utf8', stdio: 'pipe' })
  execFileSync('bash', [here('../docker/base-image.sh')])
  const conf = readFileSync(join(EXAMPLE, 'nginx.conf'), 'utf8').replace(
    '127.0.0.1:8080',
    `127.0.0.1:${port}`,
  )
  writeFileSync(join(nginx, 'nginx.conf'), `pid nginx.pid;\nerror_log error.log;\n${conf}`)
  cpSync(join(EXAMPLE, 'nginx-switch'), join(nginx, 'nginx-switch'))
  const put = version => {
    const { start, readyz = 'ready\n' } = VERSIONS[version]
    const texts = {
      start: `${start}\n`,
      readyz,
      version: `${version}\n`,
      Dockerfile:
        'FROM hostops-base:1\nCOPY version /www/version\nCOPY readyz start /\nRUN if [ -s /readyz ]; then mv /readyz /www/; fi\nCMD ["sh", "/start"]\n',
      'compose.yaml': readFileSync(join(EXAMPLE, 'compose.yaml'), 'utf8').replace('10s', '1s'),
    }
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(dir, name), text)
  }
  const git = (...args) =>
    run(
      'git',
      '-c',
      'user.name=x',
      '-c',
      'user.email=x@y.invalid',
      '-c',
      'advice.detachedHead=false',
      ...args,
    )
  git('init', '-q')
  for (const version of Object.keys(VERSIONS)) {
    put(version)
    git('add', '-A')
    git('commit', '-qm', version)
    git('tag', version.replace(' ', '-'))
  }
  git('checkout', '-q', 'v1')
  run('docker', 'compose', '--progress', 'quiet', 'up', '-d', '--build')
  const address = run(
    'docker',
    'inspect',
    '--format',
    '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
    `${project}-web-1`,
  )
  writeFileSync(join(nginx, 'upstreams/web.conf'), `upstream web { server ${address.trim()}:8080; }\n`)
  chmodSync(folder, 0o755)
  run('nginx', '-p', nginx, '-c', `${nginx}/nginx.conf`)
  const url = `http://127.0.0.1:${port}/version`
  const isGood = () =>
    fetch(url).then(
      answer => answer.ok,
      () => false,
    )
  while (!(await isGood())) await pause(50)

  const playbook = (version, last) => {
    const file = join(folder, 'rollout.yaml')
    const move = [join(nginx, 'nginx-switch'), nginx]
    const steps = [
      { uses: 'git.checkout', with: { ref: version.replace(' ', '-') } },
      { uses: 'compose.build' },
      { uses: 'compose.rollout', with: { switch: move, for: '4s', drain: '2s' } },
      { run: [last], effect: 'read' },
    ]
    const defaults = { repo: dir, dir, services: ['web'] }
    writeFileSync(file, JSON.stringify({ hostops: 1, name: 'rollout', defaults, steps }))
    return file
  }
  return {
    async hostops(version, last, outcome) {
      const more = { HOSTOPS_STATE_DIR: join(folder, 'state'), XDG_STATE_HOME: join(folder, 'kept') }
      const child = spawn(process.execPath, [dist('hostops'), 'run', playbook(version, last), '--quiet'], {
        env: { ...env, ...more },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      let out = ''
      child.stdout.on('data', text => {
        out += text
      })
      await new Promise(resolve => child.once('close', resolve))
      const report = JSON.parse(out.slice(out.indexOf('{')))
      if (report.outcome !== outcome) throw new Error(`${version}: ${report.outcome}: ${report.error}`)
    },
    askedDuring: async work => JSON.parse(await askedFromOutside('request-counter.mjs', url, work)),
    remove() {
      spawnSync('nginx', ['-p', nginx, '-c', `${nginx}/nginx.conf`, '-s', 'stop'], { env })
      run('docker', 'compose', 'down', '-t', '0', '--remove-orphans')
      const holders = run('docker', 'ps', '-aq', '--filter', `label=hostops.project=${project}`)
        .split('\n')
        .filter(Boolean)
      if (holders.length > 0) run('docker', 'rm', '-f', '-v', ...holders)
      const names = run('docker', 'image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
      const ours = names.filter(name => name.includes(`${project}-`))
      if (ours.length > 0) run('docker', 'rmi', '-f', ...ours)
    },
  }
}

await main(import.meta, run)
