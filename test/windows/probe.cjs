/**
 * What hostops relies on of Windows, tried on the machine at hand: node probe.cjs. Changes nothing but a folder of its own below
 * TEMP, starts a few Node processes and ends them. Please send back all that it prints.
 */
const cp = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const EXCLUSIVE = 0x10000000
const DELETE_ON_CLOSE = 0x40
const { O_RDWR, O_CREAT, O_EXCL } = fs.constants
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostops-probe-'))
const at = name => path.join(folder, name)
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const node = (text, ...words) => [process.execPath, ['-e', text, '--', ...words]]
const IDLE = 'setTimeout(() => {}, 60000)'

let wrong = 0
async function expect(what, wanted, look) {
  const saw = await Promise.resolve()
    .then(look)
    .catch(error => error.code ?? error.message)
  const ok = JSON.stringify(saw) === JSON.stringify(wanted)
  if (!ok) wrong += 1
  console.log(
    `${ok ? 'as expected' : 'OTHERWISE  '}  ${what}: ${JSON.stringify(saw)}${ok ? '' : `, not ${JSON.stringify(wanted)}`}`,
  )
}

const held = file => {
  try {
    fs.closeSync(fs.openSync(file, 'r'))
    return 'free'
  } catch (error) {
    return error.code
  }
}
const hold = file => fs.openSync(file, O_RDWR | O_CREAT | O_EXCL | EXCLUSIVE | DELETE_ON_CLOSE)
const lives = pid => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const firstLine = child =>
  new Promise(resolve => child.stdout.once('data', data => resolve(String(data).trim())))
const ended = child => new Promise(resolve => child.once('exit', resolve))

async function main() {
  console.log(`${os.version()} ${os.release()}, Node ${process.version}, ${os.arch()}, ${folder}`)
  for (const name of [
    'LOCALAPPDATA',
    'APPDATA',
    'ProgramData',
    'SystemRoot',
    'PATHEXT',
    'COMSPEC',
    'WT_SESSION',
  ])
    console.log(`${name}=${process.env[name]}`)
  for (const [program, ...words] of [
    ['git', '--version'],
    ['docker', 'version', '--format', '{{.Server.Version}}'],
    ['curl', '--version'],
    ['pwsh', '-v'],
    ['powershell', '-Command', '$PSVersionTable.PSVersion.ToString()'],
  ]) {
    const { stdout, error } = cp.spawnSync(program, words, { timeout: 30_000, windowsHide: true })
    console.log(`${program}: ${error?.code ?? String(stdout).split(/\r?\n/, 1)[0]}`)
  }
  await files()
  await processes()
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  console.log(wrong === 0 ? 'all as expected' : `${wrong} otherwise`)
}

async function files() {
  const fd = hold(at('held'))
  await expect('a file that we hold', 'EBUSY', () => held(at('held')))
  fs.closeSync(fd)
  await expect('it goes with its holder', 'ENOENT', () => held(at('held')))
  fs.writeFileSync(at('a'), 'a')
  const sync = mode => {
    const descriptor = fs.openSync(at('a'), mode)
    try {
      fs.fsyncSync(descriptor)
      return 'done'
    } finally {
      fs.closeSync(descriptor)
    }
  }
  await expect('fsync of a file open for reading', 'EPERM', () => sync('r'))
  await expect('fsync of a file open for writing', 'done', () => sync('r+'))
  await expect('a hard link', 'a', () => {
    fs.linkSync(at('a'), at('b'))
    return fs.readFileSync(at('b'), 'utf8')
  })
  await expect('a hard link onto a file', 'EEXIST', () => fs.linkSync(at('a'), at('b')))
  fs.mkdirSync(at('one'))
  fs.mkdirSync(at('two'))
  await expect('a folder renamed onto a folder', 'EPERM', () => fs.renameSync(at('one'), at('two')))
  const real = fs.realpathSync.native(folder)
  for (const spelling of [
    folder.toUpperCase(),
    folder.replaceAll('\\', '/'),
    `${folder}\\.\\`,
    `\\\\?\\${folder}`,
  ])
    await expect(`the folder as ${spelling}`, real, () => fs.realpathSync.native(spelling))
  await expect('free space is told', true, () => fs.statfsSync(folder).bavail > 0)
}

async function processes() {
  const fd = hold(at('child'))
  const child = cp.spawn(...node(IDLE), { stdio: ['ignore', 'ignore', 'ignore', fd], windowsHide: true })
  fs.closeSync(fd)
  await expect('a child holds the file that it was given', 'EBUSY', () => held(at('child')))
  child.kill()
  await ended(child)
  await sleep(500)
  await expect('and not when it has ended', 'ENOENT', () => held(at('child')))

  const parent = cp.spawn(
    ...node(
      `const child = require('node:child_process').spawn(process.execPath, ['-e', '${IDLE}'], { stdio: 'ignore' }); console.log(child.pid); ${IDLE}`,
    ),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const grandchild = Number(await firstLine(parent))
  cp.spawnSync('taskkill', ['/T', '/F', '/PID', String(parent.pid)], { stdio: 'ignore' })
  await sleep(1000)
  await expect('taskkill /T /F ends a process and its child', [false, false], () => [
    lives(parent.pid),
    lives(grandchild),
  ])

  const behind = `require('node:child_process').spawn(process.execPath, ['-e', 'console.log(process.pid); ${IDLE}'], { cwd: '/', detached: true, windowsHide: true, stdio: ['ignore', 'inherit', 'ignore'] }).unref()`
  const runner = cp.spawn(
    ...node(
      `const child = require('node:child_process').spawn(process.execPath, ['-e', process.argv[1]], { detached: true, windowsHide: true, stdio: ['ignore', 'inherit', 'ignore'] }); ${IDLE}`,
      behind,
    ),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const outliving = Number(await firstLine(runner))
  await sleep(1000)
  cp.spawnSync('taskkill', ['/T', '/F', '/PID', String(runner.pid)], { stdio: 'ignore' })
  await sleep(1000)
  await expect('a process behind one that has ended outlives taskkill', [false, true], () => [
    lives(runner.pid),
    lives(outliving),
  ])
  if (lives(outliving)) process.kill(outliving)
}

main().then(() => process.exit(wrong === 0 ? 0 : 1))
