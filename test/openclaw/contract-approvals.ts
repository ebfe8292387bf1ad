/** Approvals of a run's start by a second person, on every release. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeHostRig } from '../rig/openclaw-host.ts'
import type { Operator } from '../rig/openclaw-operator.ts'

/** Whom the gateway names as the one who decided: not hostops, and not who set the rules. */
const SECOND = 'a second operator'

type Resolved = { id: string; decision: string; resolvedBy: string }
type Requested = { id: string; request: { command: string } }

/** Questions are answered without asking anybody, and nothing else. */
const READS = '^ask (list|playbooks|report|wait|events|journal|logs) '

export function approvalContract(the: () => NodeHostRig, { narrows }: { narrows: boolean }): void {
  describe('a start that an operator has to approve', () => {
    beforeAll(() => askOnMiss(the(), []))
    const start = (id: string, ...more: string[]) =>
      the().begin('run', 'greet', '-i', 'text=x', '--run-id', id, '--detach', ...more)

    test('is refused, and the report says what needs an approval', async () => {
      const { report, code, stderr } = await start('a1').ended
      expect([report.outcome, code, report.errorCode]).toEqual(['refused', 3, 'approval-needed'])
      expect(report.approvalNeeded).toEqual({
        ...{ via: 'openclaw', id: null },
        command: expect.stringMatching(/hostops-trigger ask start '?\{.*greet/),
      })
      expect(stderr).toContain('hint: --wait-approval 10m')
      expect(the().host.journal('a1')).toBe('')
    })

    test('nobody is there to ask', async () => {
      const { report, stderr } = await start('a2', '--wait-approval', '30s').ended
      expect([report.outcome, report.approvalNeeded?.via]).toEqual(['refused', 'openclaw'])
      expect(stderr).toContain('there is nobody to approve it')
    })

    describe('and an approver is connected', () => {
      let approver: Operator
      beforeAll(async () => {
        approver = await the().openclaw.approver(SECOND)
      })
      afterAll(() => approver.close())
      const decide = async (id: string, decision: string) => {
        await approver.request('exec.approval.resolve', { id, decision })
        const resolved = await approver.next<Resolved>('exec.approval.resolved', id)
        expect(resolved).toMatchObject({ id, decision, resolvedBy: SECOND })
      }

      test('who denies it', async () => {
        const run = start('a3', '--wait-approval', '2m')
        const { id, request } = await approver.next<Requested>('exec.approval.requested')
        expect(request.command).toContain('greet')
        await decide(id, 'deny')
        const { report, stderr } = await run.ended
        expect([report.outcome, report.approvalNeeded]).toMatchObject(['refused', { via: 'openclaw', id }])
        expect(stderr).toContain(`waiting up to 2m for an operator to approve ${id}`)
        expect(stderr).toContain('an operator has denied it')
        expect(the().host.journal('a3')).toBe('')
      })

      test('who says nothing in time', async () => {
        const { report, stderr } = await start('a4', '--wait-approval', '3s').ended
        expect([report.outcome, stderr]).toEqual(['refused', expect.stringContaining('in time')])
        await approver.next('exec.approval.requested')
      })

      test('who is still asked when a person leaves with Ctrl-C: nothing was started', async () => {
        const run = start('a5', '--wait-approval', '2m')
        await approver.next('exec.approval.requested')
        await run.until(/waiting up to/)
        run.child.kill('SIGINT')
        const { report, code } = await run.ended
        expect([report.outcome, code, the().host.journal('a5')]).toEqual(['interrupted', 130, ''])
      })

      test('who approves it: one approval, one run', async () => {
        const run = start('a6', '--wait-approval', '2m')
        const { id } = await approver.next<Requested>('exec.approval.requested')
        await decide(id, 'allow-once')
        expect((await run.ended).report).toMatchObject({ outcome: 'started', runId: 'a6' })
        // The approval was for that start, and for no other.
        expect((await start('a7').ended).report.outcome).toBe('refused')
        await askOnMiss(the(), [{ pattern: the().trigger }])
        expect((await the().at('wait', 'a6')).report.outcome).toBe('succeeded')
      })

      test.runIf(narrows)('who approves a run that is followed: reading asks nobody', async () => {
        await askOnMiss(the(), [{ pattern: the().trigger, argPattern: READS }])
        const run = the().begin('run', 'greet', '-i', 'text=seen', '--run-id', 'a8', '--wait-approval', '2m')
        const { id } = await approver.next<Requested>('exec.approval.requested')
        await decide(id, 'allow-once')
        const { report, stderr } = await run.ended
        expect([report.outcome, stderr]).toEqual(['succeeded', expect.stringContaining('seen')])
        const confirm = await the().at('confirm', 'a8')
        expect([confirm.code, confirm.stderr]).toEqual([3, expect.stringContaining('has to approve')])
      })
    })
  })
}

const askOnMiss = (node: NodeHostRig, allowlist: object[]) =>
  node.allow({ security: 'allowlist', ask: 'on-miss', askFallback: 'deny', allowlist })
