/** Turns of the agent `main` of a real gateway, whose model plays back the calls that a test names. */
import { randomUUID } from 'node:crypto'
import { reportOf } from './hostops.ts'
import { NODE_NAME } from './openclaw-gateway.ts'
import { type Call, callText, type Model } from './openclaw-model.ts'
import type { Operator } from './openclaw-operator.ts'

/** Longer than any turn of a test. */
const TURN_MS = 500_000

export function agentAt(
  asOperator: <T>(work: (operator: Operator) => Promise<T>) => Promise<T>,
  model: Model,
) {
  /** What the tools have answered, in the order of the calls. */
  const turn = async (...calls: Call[]): Promise<string[]> => {
    const name = randomUUID()
    await asOperator(async operator => {
      const { runId } = await operator.request<{ runId: string }>('agent', {
        ...{ message: callText(name, calls), agentId: 'main', sessionKey: `agent:main:${name}` },
        idempotencyKey: name,
      })
      await operator.request('agent.wait', { runId, timeoutMs: TURN_MS })
    })
    return model.answers(name)
  }
  return { turn, exec: (...commands: string[]) => turn(...commands.map(command => execCall(command))) }
}

export const execCall = (command: string, more: { timeoutSeconds?: number } = {}): Call => ({
  name: 'exec',
  args: { command, host: 'node', node: NODE_NAME, ...more },
})

/** The report in what a tool has answered. */
export const lineIn = (answer: string) => {
  const line = answer.split('\n').find(each => each.startsWith('OPENCLAW_RESULT_JSON:'))
  return reportOf(`${line ?? answer}\n`)
}
