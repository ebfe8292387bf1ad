/**
 * A model that plays back what it is told, so that the agent loop of a real gateway calls real tools. It answers OpenAI chat
 * completions. A user's message holds a line `TURN:NAME` and lines `CALL:{"name":"exec","args":{...}}`: each of these becomes one
 * tool call, in order, and then the model says DONE.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Said = { role: string; content: string | { text?: string }[] | null }
export type Call = { name: string; args: object }

export type Model = Awaited<ReturnType<typeof playedModel>>

export async function playedModel() {
  /** What the tools have answered in each turn, as its last request told them. */
  const answers = new Map<string, string[]>()
  const server = createServer((request, response) => {
    let body = ''
    request
      .on('data', chunk => {
        body += chunk
      })
      .on('end', () => {
        if (request.method === 'GET') return response.end('{"object":"list","data":[{"id":"fake"}]}')
        const { messages, model } = JSON.parse(body) as { messages: Said[]; model: string }
        const user = messages.findLastIndex(said => said.role === 'user' && textOf(said).includes('CALL:'))
        const asked = user < 0 ? '' : textOf(messages[user]!)
        const calls = callsIn(asked)
        const answered = messages
          .slice(user + 1)
          .filter(({ role }) => role === 'tool')
          .map(textOf)
        answers.set(/TURN:(\S+)/.exec(asked)?.[1] ?? '', answered)
        response.setHeader('content-type', 'text/event-stream')
        for (const chunk of answer(calls[answered.length], model))
          response.write(`data: ${JSON.stringify(chunk)}\n\n`)
        response.end('data: [DONE]\n\n')
      })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    answers: (turn: string) => answers.get(turn) ?? [],
    /** Keys of a gateway's configuration. */
    config: {
      agents: { defaults: { model: { primary: 'fake/fake' }, skipBootstrap: true } },
      models: { mode: 'merge', providers: { fake: provider(port) } },
    },
    stop: () => new Promise(resolve => server.close(resolve)),
  }
}

export const callText = (turn: string, calls: readonly Call[]): string =>
  [`TURN:${turn}`, ...calls.map(call => `CALL:${JSON.stringify(call)}`)].join('\n')

const textOf = ({ content }: Said): string =>
  typeof content === 'string' ? content : (content ?? []).map(part => part.text ?? '').join('')

const callsIn = (text: string): Call[] =>
  text
    .split('CALL:')
    .slice(1)
    .map(line => JSON.parse(line.split('\n')[0]!.trim()))

function answer(call: Call | undefined, model: string): object[] {
  const chunk = (delta: object, finish_reason: string | null, more = {}) => ({
    ...{ id: 'x', object: 'chat.completion.chunk', created: 1, model },
    choices: [{ index: 0, delta, finish_reason }],
    ...more,
  })
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  const asked = {
    ...{ index: 0, id: `c${Date.now()}`, type: 'function' },
    function: { name: call?.name, arguments: JSON.stringify(call?.args) },
  }
  const said = call === undefined ? { content: 'DONE' } : { tool_calls: [asked] }
  return [
    chunk({ role: 'assistant', ...said }, null),
    chunk({}, call === undefined ? 'stop' : 'tool_calls', { usage }),
  ]
}

const provider = (port: number) => ({
  baseUrl: `http://127.0.0.1:${port}/v1`,
  apiKey: 'local',
  api: 'openai-completions',
  models: [
    {
      ...{
        id: 'fake',
        name: 'Fake',
        reasoning: false,
        input: ['text'],
        contextWindow: 196_608,
        maxTokens: 8192,
      },
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    },
  ],
})
