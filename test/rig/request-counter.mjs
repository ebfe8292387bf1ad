/**
 * Asks URL (argv 2) again and again, one request at a time, each over a connection of its own, until SIGTERM. Then prints
 * how many there were, which failed and why, and how often each text was the answer.
 */
import { get } from 'node:http'

const PAUSE_MS = 2
const LIMIT_MS = 5000

const ask = () =>
  new Promise(resolve => {
    const request = get(process.argv[2], { agent: false, timeout: LIMIT_MS }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', part => {
        text += part
      })
      response.on('error', error => resolve({ problem: String(error) }))
      response.on('end', () =>
        resolve(response.statusCode === 200 ? { text: text.trim() } : { problem: `${response.statusCode}` }),
      )
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', error => resolve({ problem: String(error) }))
  })

let stop = false
process.on('SIGTERM', () => {
  stop = true
})
const counts = { requests: 0, failed: [], answers: {} }
process.stdout.write('asking\n')
while (!stop) {
  const { text, problem } = await ask()
  counts.requests += 1
  if (problem === undefined) counts.answers[text] = (counts.answers[text] ?? 0) + 1
  else counts.failed.push(`${new Date().toISOString()} ${problem}`)
  await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
}
process.stdout.write(`${JSON.stringify(counts)}\n`)
