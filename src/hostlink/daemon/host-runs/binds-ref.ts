/** Whether a playbook's own text says which refs may be checked out, or by whom they are signed. Pure. */
import { isScalar, isSeq, parseDocument, visit } from 'yaml'

export function bindsRef(text: string): boolean {
  let found = false
  visit(parseDocument(text), {
    Pair: (_, { key, value }) => {
      const name = isScalar(key) ? key.value : null
      found ||= name === 'verify' && isScalar(value) && value.value === 'signature'
      found ||= name === 'refs' && isSeq(value)
      return found ? visit.BREAK : undefined
    },
  })
  return found
}
