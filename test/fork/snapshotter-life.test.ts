import { runScenario } from '../helpers/snapshotter-run'

const run = (scenario: string) => runScenario('snapshotter-life', scenario)

describe('the schedule', () => {
  it('saves by the interval, leaves out ticks that find a save running, and outlives those who joined', async () => {
    expect(await run('interval')).toEqual({
      atStart: false,
      skipped: { reason: 'interval' },
      counted: true,
      aborted: 0,
      left: 'ERR_ABORTED',
      onlyTicks: true,
    })
  })

  it('saves by save points', async () => {
    expect(await run('savePoint')).toEqual({ reason: 'save-point', notSooner: true, changesSinceLastSave: 0 })
  })

  it('goes on when the process itself begins an epoch: what was running is obsolete, and tried again', async () => {
    expect(await run('ownEpoch')).toEqual({
      told: ['retry after 0 failures', 'ERR_EPOCH_CHANGED'],
      // Of the retry, or of a tick that came first, and of another tick.
      saves: ['epoch 0 position 1', 'epoch 0 position 1'],
      failures: 0,
      aborted: 1,
      lastStatus: 'ok',
      scheduleStopped: null,
      ok: true,
    })
  })

  it('ends when a newer owner has taken over, and says so', async () => {
    expect(await run('fenced')).toEqual({
      code: 'ERR_FENCED',
      stats: 'ERR_FENCED',
      failures: 1,
      ok: false,
      reason: expect.stringMatching(/ERR_FENCED.*the schedule has stopped$/) as string,
    })
  })

  it('does not keep the process alive', async () => {
    expect(await run('idle')).toEqual({ started: true })
  })
})

describe('close', () => {
  it('finishes the running snapshot, takes a last one, frees the store, and refuses what comes later', async () => {
    expect(await run('closeWithSave')).toEqual({
      late: ['ERR_INVALID_STATE', 'ERR_INVALID_STATE', 'ERR_INVALID_STATE'],
      sliceId: '1n',
      unlocked: 'ok',
      positions: ['5n', '0n'],
      saves: 2,
    })
  })

  it('without a last snapshot still finishes what was asked for', async () => {
    expect(await run('closeFinishes')).toEqual({ running: 'ok', promised: 'ok', closed: 'ok', published: 2 })
  })

  it('with an aborted signal kills what runs, which is no failure', async () => {
    expect(await run('closeAtOnce')).toEqual({
      outcomes: Array<string>(4).fill('ERR_ABORTED'),
      childLives: false,
      files: [],
      failures: 0,
      saves: 0,
      ok: true,
    })
  })

  it('tells that the last snapshot failed, and is closed all the same', async () => {
    expect(await run('closeWhoseSaveFails')).toEqual({
      closed: 'ERR_CHILD_FAILED',
      again: 'ERR_CHILD_FAILED',
      unlocked: 'ok',
    })
  })
})

describe('start', () => {
  it('comes before a save, and can be tried again', async () => {
    expect(await run('withoutStart')).toEqual({
      early: 'ERR_INVALID_STATE',
      locked: 'ERR_LOCKED',
      second: 'ok',
      saved: 'ok',
      never: 'ERR_INVALID_STATE',
    })
  })
})

describe('reset', () => {
  it('ends the running snapshot and begins a new epoch, in which the next slices are', async () => {
    expect(await run('reset')).toEqual({
      running: 'ERR_ABORTED',
      livesAtEpoch: [false, false],
      epochs: [1, 2, 2],
      newest: true,
      aborted: 1,
      failures: 0,
      ok: true,
    })
  })
})
