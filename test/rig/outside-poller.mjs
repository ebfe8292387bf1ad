/** Asks URL (argv 2) 20 times a second until SIGTERM, then prints for how many seconds it did not answer well. */
import { get } from 'node:http'

const ask = () =>
  new Promise(resolve => {
    const request = get(process.argv[2], { agent: false, timeout: 1000 }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })

let stop = false
process.on('SIGTERM', () => {
  stop = true
})
let since = null
let down = 0
process.stdout.write('asking\n')
while (!stop) {
  const asked = performance.now()
  const good = await ask()
  if (!good) since ??= asked
  else if (since !== null) {
    down += asked - since
    since = null
  }
  await new Promise(resolve => setTimeout(resolve, Math.max(0, 50 - (performance.now() - asked))))
}
if (since !== null) down += performance.now() - since
process.stdout.write(`${(down / 1000).toFixed(2)}\n`)
