import { EventEmitter } from 'node:events'
import { ForksnapError } from '../../src/errors'
import { tell } from '../../src/events'
import { assertWritable, healthOf } from '../../src/health'
import type { Saved } from '../../src/saved'
import { StatsKeeper } from '../../src/stats'

const saved: Saved = {
  sliceId: 7n,
  position: 0n,
  epoch: 1n,
  location: 'nowhere',
  reason: 'manual',
  meta: {},
  values: {},
  rows: 10,
  bytes: 1_000,
  pauseMs: 2,
  forkMs: 1.5,
  parkedMs: 1,
  quiesceMs: 9,
  longestGapMs: 3,
  loopDelayP99Ms: 2,
  cowBytes: 4_096,
  faults: { quiesce: 30, pause: 20, child: 10 },
  copiedBytesMax: 40_960,
  collections: { young: 5, full: 1, markings: 1, ms: 6 },
  childDelay: { longestGapMs: 2.5, p50Ms: 0.1, p99Ms: 0.5, p999Ms: 0.9 },
  childCost: { faults: 8, young: 2, full: 0 },
  childMs: 50,
  totalMs: 70,
  attempts: 1,
}
const failure = new ForksnapError('ERR_CHILD_FAILED', 'the writer threw')

describe('changesSinceLastSave', () => {
  it('loses on success what was counted up to the fork, and only that', () => {
    const stats = new StatsKeeper()
    stats.changed(5)
    stats.begun(false)
    expect(stats.changed(2)).toBe(7)
    stats.forking()
    stats.changed(3)
    expect(stats.read().changesSinceLastSave).toBe(10)
    stats.saved(saved)
    stats.ended()
    expect(stats.read().changesSinceLastSave).toBe(3)
  })

  it('loses nothing when the save fails or is aborted', () => {
    const stats = new StatsKeeper()
    stats.changed(5)
    stats.begun(false)
    stats.forking()
    stats.failed(failure)
    stats.ended()
    stats.begun(false)
    stats.aborted()
    stats.ended()
    expect(stats.read()).toMatchObject({ changesSinceLastSave: 5, failures: 1, aborted: 1 })
  })
})

describe('the figures', () => {
  it('of the running child are there while it runs, and gone afterwards', () => {
    const stats = new StatsKeeper()
    stats.begun(true)
    stats.forked({ pid: 1, parkedMs: 1, quiesceMs: 9, forkMs: 1.5, pauseMs: 2 })
    stats.progress({ rows: 4, bytes: 40, cowBytes: 400 })
    const during = stats.read()
    expect(during).toMatchObject({
      inProgress: true,
      currentRows: 4,
      currentBytes: 40,
      currentCowBytes: 400,
      latestForkUsec: 1_500,
      lastPauseMs: 2,
      lastQuiesceMs: 9,
      retries: 1,
    })
    expect(during.currentSeconds).toBeGreaterThan(0)
    stats.saved(saved)
    stats.ended()
    expect(stats.read()).toMatchObject({
      inProgress: false,
      currentRows: 0,
      currentBytes: 0,
      currentCowBytes: 0,
      currentSeconds: 0,
      lastStatus: 'ok',
      lastSliceId: 7n,
      lastCowBytes: 4_096,
      lastFaults: 10,
      lastCopiedBytesMax: 40_960,
      lastChildGapMs: 2.5,
      lastChildDelayP50Ms: 0.1,
      lastChildDelayP99Ms: 0.5,
      lastChildDelayP999Ms: 0.9,
      lastYoungGcs: 5,
      lastFullGcs: 1,
      longestGapMs: 3,
      lastSaveMs: 70,
      saves: 1,
    })
  })

  it('are a copy', () => {
    const stats = new StatsKeeper()
    stats.read().saves = 99
    expect(stats.read().saves).toBe(0)
  })
})

describe('health', () => {
  it('is good until a save fails, names the reason, and is good again after one that succeeds', () => {
    const stats = new StatsKeeper()
    expect(healthOf(stats.read(), true)).toEqual({ ok: true, writable: true })
    stats.failed(failure)
    const { since } = healthOf(stats.read(), true)
    stats.failed(new Error('again'))
    const health = healthOf(stats.read(), true)
    expect(health).toEqual({ ok: false, writable: false, reason: 'the last save failed (Error): again', since })
    expect(() => assertWritable(health)).toThrow(expect.objectContaining({ code: 'ERR_UNHEALTHY' }))
    stats.aborted()
    expect(healthOf(stats.read(), true).ok).toBe(false)
    stats.saved(saved)
    expect(healthOf(stats.read(), true)).toEqual({ ok: true, writable: true })
  })

  it('lets writes through where they are not to stop', () => {
    const stats = new StatsKeeper()
    stats.failed(failure)
    const health = healthOf(stats.read(), false)
    expect(health).toMatchObject({ ok: false, writable: true })
    expect(() => assertWritable(health)).not.toThrow()
  })
})

describe('tell', () => {
  it('calls every listener although one throws, and warns of it', () => {
    const emitter = new EventEmitter()
    const heard: unknown[] = []
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    emitter.on('saved', () => {
      throw new Error('a slip')
    })
    emitter.once('saved', (...args) => heard.push(...args))
    tell(emitter, 'saved', [1, 2])
    tell(emitter, 'nobody listens', [])
    expect(heard).toEqual([1, 2])
    expect(emitter.listenerCount('saved')).toBe(1)
    expect(warned.mock.calls).toEqual([
      [expect.stringContaining("a listener of 'saved' threw: Error: a slip"), 'ForksnapListenerWarning'],
    ])
    warned.mockRestore()
  })
})
