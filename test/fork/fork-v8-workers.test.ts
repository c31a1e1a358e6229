import { Fixture, runFixture } from '../helpers/fixture'
import { asOwnUser, reasonAgainstLimits, reasonAgainstOwnUser } from '../helpers/own-user'
import { itUnless } from '../helpers/store-fixture'

/** Beside the workers Node's platform has a thread for delayed tasks. */
const MAIN = 1
const DELAYED = 1

describe("V8's threads in the child", () => {
  it('are two, as many as are asked for, or none', async () => {
    const counts = await runFixture<number[]>('fork-v8-workers', ['threads'])
    expect(counts).toEqual([MAIN, MAIN + 1 + DELAYED, MAIN + 2 + DELAYED, MAIN + 16 + DELAYED])
  })

  it('compile in the background', async () => {
    expect(await runFixture('fork-v8-workers', ['compiled'])).toBe(true)
  })

  it('collect garbage, and nothing is lost by it', async () => {
    const { child, parent } = await runFixture<{ child: number[]; parent: number[] }>('fork-v8-workers', ['collected'])
    expect(child).toEqual(parent)
  })

  itUnless(reasonAgainstOwnUser, 'are done without where the system allows no more threads', async () => {
    const { code, stdout, stderr } = await new Fixture('fork-v8-workers', ['refused'], { before: asOwnUser }).closed
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual([MAIN + 2 + DELAYED, MAIN])
  })

  itUnless(reasonAgainstLimits, 'leave descriptors for what the child has to do', async () => {
    const counts = await runFixture<number[]>('fork-v8-workers', ['scarce'])
    expect(counts).toEqual([...Array.from({ length: 6 }, () => MAIN), MAIN + 2 + DELAYED])
  })
})

itUnless(reasonAgainstLimits, 'a child lets go of descriptors that are beyond the limit', async () => {
  expect(await runFixture('fork-v8-workers', ['beyond'])).toEqual([])
})
