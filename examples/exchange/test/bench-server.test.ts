import { Fixture } from '../../../test/helpers/fixture'
import { programOf } from './scripts'

interface Output {
  readonly figures: readonly { readonly name: string; readonly values: readonly number[] }[]
  readonly targets: readonly { readonly name: string; readonly measured: number }[]
}

/** What there is a figure for however small the sizes are. */
const SURE = [
  'greatest rate, no snapshot',
  'p99.9, no snapshot',
  'pause',
  'durable orders, exchange',
  'durable orders, bare echo',
]

/** Whether the targets are met is not asked: that is for a calm machine and a million orders. */
describe('npm run bench:server', () => {
  it('measures all that it speaks of, with small sizes too', async () => {
    const small = ['--json', '--orders', '2000', '--rounds', '1', '--span', '200', '--warmup', '50', '--flight', '20']
    const { code, stdout, stderr } = await new Fixture(programOf('bench:server'), small).closed
    expect([code, stderr]).toEqual([0, expect.stringMatching(/s {2}done\n$/)])
    const { figures, targets } = JSON.parse(stdout) as Output
    const median = (name: string): number => figures.find((figure) => figure.name === name)?.values[0] ?? NaN
    for (const name of SURE) expect([name, median(name) > 0]).toEqual([name, true])
    expect(targets.map(({ name }) => name)).toHaveLength(4)
  })
})
