import { ForksnapError } from '../../src/errors'
import { orAborted, SharedWork } from '../../src/shared-work'

/** Work that the test ends by hand. */
function work() {
  const seen: { signal?: AbortSignal; runs: number } = { runs: 0 }
  let settle!: { resolve: (value: string) => void; reject: (error: unknown) => void }
  const shared = new SharedWork<string>((signal) => {
    seen.signal = signal
    seen.runs++
    return new Promise((resolve, reject) => (settle = { resolve, reject }))
  })
  return { shared, seen, end: () => settle }
}

const outcomeOf = (promise: Promise<unknown>) =>
  promise.catch((error: unknown) => (error instanceof ForksnapError ? error.code : String(error)))

describe('SharedWork', () => {
  it('gives all callers the one result', async () => {
    const { shared, seen, end } = work()
    const callers = [shared.join(), shared.join(new AbortController().signal), shared.join()]
    shared.start()
    shared.start()
    end().resolve('done')
    expect(await Promise.all(callers)).toEqual(['done', 'done', 'done'])
    expect(seen.runs).toBe(1)
  })

  it('lets one of several leave with ERR_ABORTED and its reason, and goes on', async () => {
    const { shared, seen, end } = work()
    shared.start()
    const controller = new AbortController()
    const [left, stayed] = [shared.join(controller.signal), shared.join()]
    controller.abort(new Error('enough'))
    await expect(left).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: new Error('enough') })
    expect(seen.signal?.aborted).toBe(false)
    end().resolve('done')
    expect(await stayed).toBe('done')
  })

  it('is aborted when the last caller leaves, who waits for the end', async () => {
    const { shared, seen, end } = work()
    shared.start()
    const [one, two] = [new AbortController(), new AbortController()]
    const callers = [shared.join(one.signal), shared.join(two.signal)].map(outcomeOf)
    one.abort()
    expect(shared.aborting).toBe(false)
    two.abort()
    expect(shared.aborting).toBe(true)
    expect(await callers[0]).toBe('ERR_ABORTED')
    const pending = Symbol('pending')
    expect(await Promise.race([callers[1], Promise.resolve(pending)])).toBe(pending)
    end().reject(seen.signal?.reason)
    expect(await callers[1]).toBe('ERR_ABORTED')
  })

  it('gives the last caller the result if that came first', async () => {
    const { shared, end } = work()
    shared.start()
    const controller = new AbortController()
    const caller = shared.join(controller.signal)
    controller.abort()
    end().resolve('published')
    expect(await caller).toBe('published')
  })

  it('that is pinned outlives its callers', async () => {
    const { shared, seen } = work()
    shared.pin()
    shared.start()
    const controller = new AbortController()
    const caller = outcomeOf(shared.join(controller.signal))
    controller.abort()
    expect(await caller).toBe('ERR_ABORTED')
    expect(seen.signal?.aborted).toBe(false)
  })

  it('never runs if all left before it began', async () => {
    const { shared, seen } = work()
    const controller = new AbortController()
    const caller = outcomeOf(shared.join(controller.signal))
    controller.abort()
    expect(await caller).toBe('ERR_ABORTED')
    shared.start()
    await shared.settled
    expect(seen.runs).toBe(0)
  })

  it('refuses a signal that was given before, and does not count its caller', async () => {
    const { shared, end } = work()
    shared.start()
    expect(await outcomeOf(shared.join(AbortSignal.abort()))).toBe('ERR_ABORTED')
    const stayed = shared.join()
    end().resolve('done')
    expect(await stayed).toBe('done')
  })

  it('leaves no listener on a signal that outlives it', async () => {
    const { shared, end } = work()
    shared.start()
    const controller = new AbortController()
    const removed = jest.spyOn(controller.signal, 'removeEventListener')
    const caller = shared.join(controller.signal)
    end().resolve('done')
    await caller
    expect(removed).toHaveBeenCalledTimes(1)
    controller.abort()
    expect(shared.aborting).toBe(false)
  })
})

describe('orAborted', () => {
  it('gives up waiting for what may never come', async () => {
    const controller = new AbortController()
    const wait = orAborted(new Promise(() => {}), controller.signal)
    const reason = new ForksnapError('ERR_ABORTED', 'reset')
    controller.abort(reason)
    await expect(wait).rejects.toBe(reason)
  })

  it('passes a result and an error on', async () => {
    const { signal } = new AbortController()
    expect(await orAborted(Promise.resolve(3), signal)).toBe(3)
    await expect(orAborted(Promise.reject(new Error('disk')), signal)).rejects.toThrow('disk')
  })
})
