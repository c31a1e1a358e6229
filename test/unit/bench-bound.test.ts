import { canBind } from '../../bench/lib/compare/bound'
import { Fixture } from '../helpers/fixture'
import { describeUnless } from '../helpers/store-fixture'

describeUnless(canBind() ? null : 'needs setpriv', 'a program that is bound to a benchmark', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('ends with it, even by %s', async (signal) => {
    const bench = new Fixture('bound-program')
    await bench.line(/^started$/)
    bench.kill(signal)
    // Comes only once nobody shares its standard error any more.
    expect(await bench.closed).toMatchObject({ signal })
  })
})
