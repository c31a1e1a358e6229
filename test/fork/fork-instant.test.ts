import { runFixture } from '../helpers/fixture'

type Versions = Record<string, number[]>

const kinds = [
  ...['number', 'text', 'list', 'map', 'buffer', 'pooled', 'array', 'shared', 'wasm', 'closure', 'environment'],
]
/** Every kind of memory at one version, none of it torn. */
const at = (version: number): Versions => Object.fromEntries(kinds.map((kind) => [kind, [version]]))

interface Result {
  prepared: unknown
  first: Versions
  later: Versions
  own: Versions
  seen: Versions[]
  parent: Versions
}

describe('the instant of the fork', () => {
  it('is what the child sees, and what prepare() belongs to; the writes of parent and child never meet', async () => {
    const result = await runFixture<Result>('fork-instant', ['instant'])
    expect(result.first).toEqual(at(2))
    expect(result.later).toEqual(at(2))
    expect(result.own).toEqual(at(9))
    expect(result.prepared).toEqual({ version: 2, list: 20_000 })
    expect(result.parent).toEqual(at(8))
    // What prepare() put off ran in the parent before or after onForked(), but never what the child wrote.
    expect(result.seen).toHaveLength(2)
    expect(result.seen[1]).toEqual(at(7))
  })
})
