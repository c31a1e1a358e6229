import { runFixture } from '../helpers/fixture'

interface Fuzzed {
  readonly kept: number
  readonly drawn: number
  readonly read: number
  readonly outcomes: number
}

// In a program of its own: a reader that hangs would take the runner with it. `npm run fuzz -- --minutes 10` goes on with
// other inputs.
describe.each([
  ['slice', 1200],
  ['log', 400],
])('the %s reader, with the kept inputs and %i drawn ones', (target, cases) => {
  it('does what it promises', async () => {
    const args = ['--target', target, '--cases', String(cases), '--seed', '7']
    const fuzzed = await runFixture<Fuzzed>('../fuzz/main', args)
    expect(fuzzed.drawn).toBe(cases)
    expect(fuzzed.kept).toBeGreaterThan(20)
    // Not everything is refused, nor at the first check: else nothing behind it was tried.
    expect(fuzzed.read).toBeGreaterThan(0)
    expect(fuzzed.outcomes).toBeGreaterThan(fuzzed.kept / 2)
  })
})
