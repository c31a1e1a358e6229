import { join } from 'node:path'
import { runFixture } from '../helpers/fixture'

const MIB = 2 ** 20

describe("an arena's memory", () => {
  it("is the fork's child's as of the fork's instant, and what it does with it is its own", async () => {
    const result = await runFixture('arena', ['fork'])
    expect(result).toEqual({
      child: {
        seen: [[1], [1], [1]],
        own: [[9], [9]],
        fresh: [0],
        stats: { mappedBytes: 18 * MIB, usedBytes: 13 * MIB + 5000, buffers: 3, regions: 2 },
      },
      before: [[1], [1], [1]],
      after: [[2], [2], [2]],
      stats: { mappedBytes: 8 * MIB, usedBytes: 3 * MIB + 5100, buffers: 3, regions: 1 },
    })
  })

  it('comes back with collected buffers, and outlives the arena in the others', async () => {
    const result = await runFixture<{ grownBytes: number; shrunkBytes: number }>('arena', ['collected'], {
      nodeOptions: ['--expose-gc'],
    })
    expect(result).toMatchObject({
      stats: { mappedBytes: 4 * MIB, usedBytes: MIB, buffers: 1, regions: 1 },
      kept: [3],
    })
    expect(result.grownBytes).toBeGreaterThanOrEqual(64 * MIB)
    expect(result.shrunkBytes).toBeLessThan(32 * MIB)
  })

  it('can be given to a Worker, and comes back when the Worker ends', async () => {
    const result = await runFixture('arena', ['worker'])
    expect(result).toMatchObject({ seen: 77, length: 0, inUse: 1, left: 0, failure: { code: 'ERR_INVALID_STATE' } })
  })

  it("can be a Worker's alone", async () => {
    const index = join(__dirname, '../../dist/src/index.js')
    expect(await runFixture('arena', ['workerAlone', index])).toEqual({ code: 0 })
  })

  it('does not hinder the end of the process', async () => {
    expect(await runFixture('arena', ['exit'])).toMatchObject({ buffers: 2 })
  })
})
