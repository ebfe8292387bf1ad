import { RELEASES } from '../rig/openclaw-gateway.ts'
import { nodeTargetContract } from './contract.ts'
import { approvalContract } from './contract-approvals.ts'

nodeTargetContract(RELEASES.new, node => approvalContract(node, { narrows: true }))
