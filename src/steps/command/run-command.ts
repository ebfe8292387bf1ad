/** Commands whose end decides: any other end than exit code 0 is a failure. */
import { Failed } from '../../failure.ts'
import { tailOf } from '../contract/plain-text.ts'
import type { CommandRequest, Done, StepContext } from '../contract/step.ts'

export async function succeed(ctx: StepContext, request: CommandRequest): Promise<Done> {
  const done = await ctx.exec(request)
  if (done.code !== 0) throw commandFailed(request.argv, done)
  return done
}

export function commandFailed(argv: readonly string[], done: Done): Failed {
  return new Failed({
    code: 'command-failed',
    argv: [...argv],
    exitCode: done.signal === null ? done.code : null,
    signal: done.signal,
    tail: tailOf(done),
  })
}
