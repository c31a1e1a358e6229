import { bareChildBegan, childBegan, childEnded, isMakingHugePages } from '../../src/huge-pages'

/** When pages are made huge again. What is asked of the kernel is only counted; the packed heap's own tests do it. */

let calls = 0
let failure: 'told' | 'thrown' | undefined

jest.mock('../../src/binding', () => ({
  binding: () => ({
    packedHeapStats: () => ({}),
    packedHeapCollapse: (_ms: number, done: (error: Error | null, result?: object) => void) => {
      calls++
      if (failure === 'thrown') throw new Error('no thread')
      if (failure === 'told') return void setImmediate(done, new Error('no memory'))
      setImmediate(done, null, {
        made: 1,
        refused: 0,
        longestMs: 0,
        longestCpuMs: 0,
        unsupported: false,
        finished: true,
      })
    },
    arenasLive: () => false,
  }),
}))

const PID = 2 ** 30
const living = new Set<number>()

beforeAll(() => {
  jest.spyOn(process, 'kill').mockImplementation((pid) => {
    if (living.has(pid)) return true
    throw new Error('ESRCH')
  })
})

async function settled(): Promise<number> {
  const before = calls
  while (isMakingHugePages()) await new Promise((resolve) => setTimeout(resolve, 5))
  return calls - before
}

it('once the last child has ended', async () => {
  childBegan()
  childBegan()
  childEnded()
  expect(isMakingHugePages()).toBe(false)
  childEnded()
  expect(await settled()).toBe(1)
})

it('once a child of the bare fork() is gone, whose end nobody tells', async () => {
  living.add(PID)
  bareChildBegan(PID)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  expect(calls).toBe(1)
  living.delete(PID)
  expect(await settled()).toBe(1)
})

it('once a child of the bare fork() is gone that has outlived another one', async () => {
  living.add(PID)
  childBegan()
  bareChildBegan(PID)
  childEnded()
  await new Promise((resolve) => setTimeout(resolve, 50))
  living.delete(PID)
  expect(await settled()).toBe(1)
})

it('again after the next child where it has failed, of which a single warning tells', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  for (const how of ['told', 'thrown'] as const) {
    failure = how
    childBegan()
    childEnded()
    expect(await settled()).toBe(1)
  }
  failure = undefined
  childBegan()
  childEnded()
  expect(await settled()).toBe(1)
  expect(warned.mock.calls).toEqual([
    [expect.stringMatching(/^pages could not be made huge again: Error: no memory/), 'ForksnapHugePagesWarning'],
  ])
})
