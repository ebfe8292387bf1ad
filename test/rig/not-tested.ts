/** Says what cannot be tested on this machine. Where CI requires all of it, that is a failure and not a skip. */
export function notTested(problem: string): string {
  if (process.env['HOSTOPS_REQUIRE_ALL'] === '1') throw new Error(`HOSTOPS_REQUIRE_ALL=1, and ${problem}`)
  console.warn(`NOT TESTED: ${problem}`)
  return problem
}
