/**
 * Asks URL (argv 2) 20 times a second until SIGTERM, then prints for how many seconds it did not answer well, how long the
 * machine took at most, meanwhile, for a program that does nothing (whoever asks by a program is late by that), and how many
 * questions were accepted and got no answer for a second: of a container that had no network yet.
 */
import { spawn } from 'node:child_process'
import { get } from 'node:http'

const ask = () =>
  new Promise(resolve => {
    const request = get(process.argv[2], { agent: false, timeout: 1000 }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => {
      stuck += 1
      request.destroy()
    })
    request.on('error', () => resolve(false))
  })
const pause = ms => new Promise(resolve => setTimeout(resolve, Math.max(0, ms)))

let stop = false
process.on('SIGTERM', () => {
  stop = true
})
let since = null
let down = 0
let noise = 0
let stuck = 0

async function poll() {
  while (!stop) {
    const asked = performance.now()
    const good = await ask()
    if (!good) since ??= asked
    else if (since !== null) {
      down += asked - since
      since = null
    }
    await pause(50 - (performance.now() - asked))
  }
  if (since !== null) down += performance.now() - since
}

async function listen() {
  while (!stop) {
    const begun = performance.now()
    await new Promise(resolve => spawn('true', { stdio: 'ignore' }).once('close', resolve))
    noise = Math.max(noise, performance.now() - begun)
    await pause(100)
  }
}

process.stdout.write('asking\n')
await Promise.all([poll(), listen()])
process.stdout.write(`${(down / 1000).toFixed(2)} ${(noise / 1000).toFixed(3)} ${stuck}\n`)
