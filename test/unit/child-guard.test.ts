import type { PageState } from '../../src/binding'
import { ChildGuard } from '../../src/child-guard'

/** The guard's clock is Jest's, so that hours pass at once and a late tick is one that we make late. */
describe('the guard of a child', () => {
  let state: PageState
  let killed: string[]
  let progress: number[]

  beforeEach(() => {
    jest.useFakeTimers()
    state = { rows: 0, bytes: 0, cowBytes: 0, faults: 0, youngGcs: 0, fullGcs: 0, beats: 0, outcome: 0, message: '' }
    killed = []
    progress = []
  })

  afterEach(() => jest.useRealTimers())

  function guard(stallMs: number, totalMs: number, progressMs = 100): ChildGuard {
    const limits = { quiesceMs: 0, stallMs, totalMs }
    const onProgress = ({ rows }: { rows: number }): void => void progress.push(rows)
    const made = new ChildGuard(
      limits,
      progressMs,
      () => ({ ...state }),
      onProgress,
      (reason) => killed.push(reason),
    )
    made.start()
    return made
  }

  /** Time in which the child gives a sign of life every `everyMs`. */
  function live(ms: number, everyMs: number): void {
    for (let at = 0; at < ms; at += everyMs) {
      state.beats++
      jest.advanceTimersByTime(everyMs)
    }
  }

  it('says that a child stalls once it has given no sign of life for as long as the limit', () => {
    const it = guard(1000, 0)
    jest.advanceTimersByTime(900)
    expect(killed).toEqual([])
    jest.advanceTimersByTime(400)
    expect(killed[0]).toBe('stalled')
    it.stop()
  })

  it('does not as long as there are signs of life, however slow', () => {
    const it = guard(1000, 0)
    live(60_000, 800)
    expect(killed).toEqual([])
    it.stop()
  })

  it('says that a child takes too long, signs of life or not', () => {
    const it = guard(1000, 10_000)
    live(9_600, 100)
    expect(killed).toEqual([])
    live(800, 100)
    expect(killed[0]).toBe('timeout')
    it.stop()
  })

  it('knows no limit of 0', () => {
    const it = guard(0, 0)
    jest.advanceTimersByTime(86_400_000)
    expect(killed).toEqual([])
    it.stop()
  })

  it('counts only time in which this process ran itself: one late tick after a pause is no stall', () => {
    const it = guard(1000, 5000)
    live(500, 100)
    // The machine stood still for an hour, and then one tick comes.
    jest.setSystemTime(Date.now() + 3_600_000)
    jest.spyOn(performance, 'now').mockReturnValueOnce(performance.now() + 3_600_000)
    jest.advanceTimersByTime(100)
    expect(killed).toEqual([])
    live(2000, 100)
    expect(killed).toEqual([])
    it.stop()
  })

  it('tells the progress at the interval that was asked for, or finer where a limit needs it', () => {
    const it = guard(0, 0, 50)
    state.rows = 7
    jest.advanceTimersByTime(500)
    expect(progress).toEqual(Array<number>(10).fill(7))
    it.stop()
    jest.advanceTimersByTime(500)
    expect(progress).toHaveLength(10)
  })
})
