import { ForksnapError } from '../../src/errors'
import { resolveOptions, type SnapshotterOptions } from '../../src/options'
import { Schedule } from '../../src/schedule'

/** A schedule on a clock that the test turns; saves begin and end when the test says so. */
function setUp(options: Partial<SnapshotterOptions>) {
  const methods = ['start', 'create', 'list', 'beginEpoch', 'prune', 'close']
  const store = Object.fromEntries(methods.map((method) => [method, () => {}])) as never
  const { intervalMs, savePoints, retry } = resolveOptions({ store, write: () => undefined, intervalMs: 0, ...options })
  const state = { running: false, changes: 0, begun: [] as string[], skipped: 0, retries: [] as number[], stopped: 0 }
  const schedule = new Schedule(
    { intervalMs, savePoints, retry },
    {
      isRunning: () => state.running,
      changes: () => state.changes,
      save: (reason) => begin(reason),
      skipped: () => state.skipped++,
      retrying: ({ delayMs }) => state.retries.push(delayMs),
      stopped: () => state.stopped++,
    },
  )
  const begin = (reason: string) => {
    state.running = true
    state.begun.push(reason)
    schedule.began()
  }
  const end = (how: 'saved' | 'aborted' | 'failed', code: 'ERR_CHILD_FAILED' | 'ERR_FENCED' = 'ERR_CHILD_FAILED') => {
    state.running = false
    if (how === 'saved') state.changes = 0
    if (how === 'failed') schedule.failed(new ForksnapError(code, 'for this test'))
    else schedule[how]()
  }
  const change = (changes: number) => {
    state.changes += changes
    schedule.changed(state.changes)
  }
  return { schedule, state, begin, end, change }
}

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

describe('the interval', () => {
  it('skips the first tick: the first save comes one interval after the start', () => {
    const { schedule, state, end } = setUp({ intervalMs: 1_000 })
    jest.advanceTimersByTime(5_000)
    schedule.start()
    schedule.start()
    jest.advanceTimersByTime(999)
    expect(state.begun).toEqual([])
    jest.advanceTimersByTime(1)
    expect(state.begun).toEqual(['interval'])
    end('saved')
    jest.advanceTimersByTime(1_000)
    expect(state.begun).toEqual(['interval', 'interval'])
  })

  it('leaves a tick out that finds a save running', () => {
    const { schedule, state, begin, end } = setUp({ intervalMs: 1_000 })
    schedule.start()
    begin('manual')
    jest.advanceTimersByTime(2_500)
    expect(state).toMatchObject({ begun: ['manual'], skipped: 2 })
    end('saved')
    jest.advanceTimersByTime(500)
    expect(state).toMatchObject({ begun: ['manual', 'interval'], skipped: 2 })
  })

  it('never ticks when it is 0 or after stop()', () => {
    const none = setUp({ intervalMs: 0 })
    none.schedule.start()
    expect(jest.getTimerCount()).toBe(0)
    const stopped = setUp({ intervalMs: 10 })
    stopped.schedule.start()
    stopped.schedule.stop()
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('save points', () => {
  const savePoints = [
    { seconds: 60, changes: 1 },
    { seconds: 10, changes: 100 },
  ]

  it('save once changes and seconds are both reached, whichever comes last', () => {
    const { schedule, state, change, end } = setUp({ savePoints })
    schedule.start()
    jest.advanceTimersByTime(100_000)
    expect(state.begun).toEqual([])
    change(1)
    expect(state.begun).toEqual([])
    jest.advanceTimersByTime(1)
    expect(state.begun).toEqual(['save-point'])
    end('saved')
    change(99)
    jest.advanceTimersByTime(9_000)
    change(1)
    jest.advanceTimersByTime(999)
    expect(state.begun).toHaveLength(1)
    jest.advanceTimersByTime(1)
    expect(state.begun).toEqual(['save-point', 'save-point'])
  })

  it('count the changes that came while a save was running', () => {
    const { schedule, state, change, begin, end } = setUp({ savePoints })
    schedule.start()
    begin('manual')
    change(500)
    jest.advanceTimersByTime(100_000)
    expect(state.begun).toEqual(['manual'])
    end('aborted')
    jest.advanceTimersByTime(1)
    expect(state.begun).toEqual(['manual', 'save-point'])
  })
})

describe('after a failure', () => {
  const retry = { initialMs: 100, maxMs: 300, factor: 2 }

  it('retries with back-off until a save succeeds, then counts anew', () => {
    const { schedule, state, end } = setUp({ intervalMs: 1_000_000, retry })
    schedule.start()
    jest.advanceTimersByTime(1_000_000)
    for (const wait of [100, 200, 300, 300]) {
      end('failed')
      jest.advanceTimersByTime(wait - 1)
      expect(state.running).toBe(false)
      jest.advanceTimersByTime(1)
      expect(state.running).toBe(true)
    }
    end('saved')
    jest.advanceTimersByTime(5_000)
    expect(state.begun).toEqual(['interval', 'retry', 'retry', 'retry', 'retry'])
    expect(state.retries).toEqual([100, 200, 300, 300])
    jest.advanceTimersByTime(1_000_000)
    end('failed')
    expect(state.retries.at(-1)).toBe(100)
  })

  it('retries a manual save only if saves are scheduled', () => {
    const manualOnly = setUp({ retry })
    manualOnly.schedule.start()
    manualOnly.begin('manual')
    manualOnly.end('failed')
    expect(jest.getTimerCount()).toBe(0)
    const scheduled = setUp({ retry, savePoints: [{ seconds: 60, changes: 1 }] })
    scheduled.schedule.start()
    scheduled.begin('manual')
    scheduled.end('failed')
    jest.advanceTimersByTime(100)
    expect(scheduled.state.begun).toEqual(['manual', 'retry'])
  })

  it('lets a save point wait for the back-off, even when the retries are used up', () => {
    const { schedule, state, change, end } = setUp({
      retry: { ...retry, attempts: 1 },
      savePoints: [{ seconds: 1, changes: 1 }],
    })
    schedule.start()
    change(1)
    jest.advanceTimersByTime(1_000)
    end('failed')
    change(1)
    jest.advanceTimersByTime(100)
    expect(state.begun).toEqual(['save-point', 'retry'])
    end('failed')
    change(1)
    jest.advanceTimersByTime(199)
    expect(state.begun).toHaveLength(2)
    jest.advanceTimersByTime(1)
    expect(state.begun).toEqual(['save-point', 'retry', 'save-point'])
    expect(state.retries).toEqual([100])
  })

  it('keeps the retry when the save that had taken it over is aborted', () => {
    const { schedule, state, begin, end } = setUp({ intervalMs: 1_000_000, retry })
    schedule.start()
    begin('manual')
    end('failed')
    begin('manual')
    end('aborted')
    jest.advanceTimersByTime(100)
    expect(state.begun).toEqual(['manual', 'manual', 'retry'])
  })

  it('ends the schedule when a newer owner has taken over, and says so once', () => {
    const { schedule, state, begin, end } = setUp({ intervalMs: 1_000, retry })
    schedule.start()
    for (let save = 0; save < 2; save++) {
      begin('manual')
      end('failed', 'ERR_FENCED')
    }
    expect(jest.getTimerCount()).toBe(0)
    expect(state).toMatchObject({ stopped: 1, retries: [] })
  })

  it('goes on when the save was in vain because of a new epoch: it is tried again, and counts as no failure', () => {
    const { schedule, state, begin, end } = setUp({ intervalMs: 1_000_000, retry })
    schedule.start()
    begin('manual')
    state.running = false
    schedule.obsolete(new ForksnapError('ERR_EPOCH_CHANGED', 'for this test'))
    jest.advanceTimersByTime(100)
    expect(state.begun).toEqual(['manual', 'retry'])
    end('failed')
    expect(state).toMatchObject({ retries: [100, 100], stopped: 0 })
  })
})
