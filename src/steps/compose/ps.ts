import * as z from 'zod'
import type { Json } from '../../document/json.ts'
import { once } from '../contract/once.ts'
import type { StepKind } from '../contract/step.ts'
import { composeArgv, servicesField, stackFacts, stackFields } from './compose.ts'
import { readProject, readReplicas } from './project.ts'
import { runningStack } from './running-stack.ts'

const schema = once(() => z.strictObject({ ...stackFields(), services: servicesField() }))

export const composePs: StepKind<z.infer<ReturnType<typeof schema>>> = {
  uses: 'compose.ps',
  summary: 'Tells which containers there are, stopped ones included, as the engine sees them.',
  schema,
  outputs: { containers: 'list', running: 'int' },
  timeoutMs: 60_000,
  plan: {
    effect: () => 'read',
    about: stackFacts,
    commands: input => [
      { argv: composeArgv(input, ['config', '--format', 'json']), cwd: input.dir },
      { argv: ['docker', 'inspect', { unknown: 'the containers that there are then' }] },
    ],
  },
  act: {
    async run(ctx, input) {
      const stack = await runningStack(ctx, input, input.services)
      const project = await readProject(ctx, stack, input.services)
      const names = project.services.map(service => service.name)
      const now = await readReplicas(ctx, input, project.name, names)
      const containers: Json[] = now.map(replica => {
        const { name, service, image, status, health, restarts, exitCode } = replica
        return { name, service, image, status, health, restarts, exitCode }
      })
      const running = now.filter(replica => replica.status === 'running').length
      return { changed: false, outputs: { containers, running } }
    },
  },
}
