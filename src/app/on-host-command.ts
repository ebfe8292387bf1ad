/** The command line of a run as it must be typed to let it live on the host. */
import type { Playbook } from '../playbook/playbook.ts'
import { posixQuote } from '../transport/quote.ts'
import type { StartOptions } from './start-options.ts'

/** Values of secrets are not repeated. */
export function onHostCommand(
  name: string,
  options: StartOptions,
  target: string,
  { inputs }: Playbook,
): string {
  const shown = (pair: string) => {
    const [input = ''] = pair.split('=')
    return inputs[input]?.type === 'secret' ? `${input}=@FILE` : pair
  }
  const words = [
    ...['hostops', 'run', name],
    ...options.input.flatMap(pair => ['-i', shown(pair)]),
    ...given('--inputs', options.inputs),
    ...(options.rollback ? [] : ['--no-rollback']),
    ...(options.allowDirty ? ['--allow-dirty'] : []),
    ...given('--timeout', options.timeout),
    ...given('--wait-lock', options.waitLock),
    ...given('--playbooks', options.playbooks),
    ...given('--config', options.config),
    ...given('--run-id', options.runId),
    ...['--target', target.startsWith('hostlink') ? target : 'hostlink', '--on-host', '--detach'],
  ]
  return words.map(posixQuote).join(' ')
}

const given = (option: string, value: string | undefined): string[] =>
  value === undefined ? [] : [option, value]
