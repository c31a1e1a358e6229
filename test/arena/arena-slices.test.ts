import { runFixture } from '../helpers/fixture'
import { hugePagesThere } from '../helpers/huge-pages'

const MIB = 2 ** 20

describe("slices of an arena's memory", () => {
  it("are given back by the child alone, what is to be kept and the others' pages excepted", async () => {
    const all = { given: [7], uneven: [7], kept: [7], small: [7] }
    const result = await runFixture<{ child: { before: number; after: number } }>('arena-slices', ['giveBack'])
    // 'uneven' ends in the middle of a huge page, which is not its own.
    expect(result).toMatchObject({
      parentFirst: { read: all },
      child: { read: { ...all, given: [0], uneven: [0, 7] } },
      parent: all,
    })
    expect(result.child.before - result.child.after).toBe(10 * MIB)
  })

  const withHugePages = hugePagesThere() ? it : it.skip

  withHugePages("once they are given back, are the parent's alone: its writes leave them huge", async () => {
    const result = await runFixture<{ collapsed: number[]; contents: number[][] }>('arena-slices', ['owner'])
    expect(result).toMatchObject({ before: [8 * MIB, 8 * MIB], after: [8 * MIB, 0] })
    expect(result.contents).toEqual([
      [1, 7],
      [1, 7],
    ])
    // Linux before 6.1 cannot make them huge again.
    expect([0, 8 * MIB]).toContain(result.collapsed[1])
  })

  withHugePages('that writes have split while a child lived are made huge again by themselves', async () => {
    const result = await runFixture<{ byItself: number[]; byHand: number[] }>('arena-slices', ['byItself'])
    expect(result).toMatchObject({ after: [8 * MIB, 0], contents: Array(2).fill([1, 7]) })
    // Linux before 6.1 can neither way.
    expect(result.byItself).toEqual(result.byHand)
  })

  it('are recovered into an arena', async () => {
    const result = await runFixture('arena-slices', ['save'])
    expect(result).toEqual({
      same: true,
      stats: { mappedBytes: 6 * MIB, usedBytes: 4 * MIB, buffers: 1, regions: 2 },
      inArena: 0,
      // -1 as a float has three different bytes.
      parent: 3,
    })
  })

  it('are recovered into a table, whose rows go on changing meanwhile', async () => {
    const result = await runFixture('arena-slices', ['table'])
    expect(result).toEqual({ length: 200_000, end: 300_000, wrong: 0, later: 350_000, next: 299_997 })
  })
})
