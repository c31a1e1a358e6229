/** Takes snapshots of a session under load, one after the other, and says what each of them did. */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import type { Running, Sample, Session } from './method'
import { delayIn, rateIn, timelineOf } from './turns'

/** Until the load's functions are compiled and the collector knows the process. */
const WARM_MS = 1_500
/** Before each snapshot, to compare with. */
const BEFORE_MS = 1_000
/** Of the timeline, before the beginning and after the end. */
const MARGIN_MS = 200
const PARTS = 240

function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))
  return Number(found?.[1] ?? NaN) * 1024
}

/** Begins to watch the resident memory anew; the function returned says how far it has risen since. */
function watchMemory(): () => number | null {
  try {
    // "5" sets the peak back to what is resident now.
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    return () => null
  }
  const before = statusBytes('VmRSS')
  return () => Math.max(0, statusBytes('VmHWM') - before)
}

async function takeOne(session: Session, load: Running): Promise<Sample> {
  load.forget()
  await setTimeout(BEFORE_MS)
  const risen = watchMemory()
  const from = performance.now()
  const { totalMs, ownMemory, ...taken } = await session.take()
  const to = performance.now()
  const extraBytes = ownMemory ? risen() : null
  await setTimeout(MARGIN_MS)
  const before = from - BEFORE_MS
  // The turn in which the snapshot began is not one without a snapshot.
  const quietEnd = load.turns.findLast((at) => at <= from) ?? from
  return {
    ...taken,
    totalMs: totalMs ?? to - from,
    extraBytes,
    rateBefore: rateIn(load, before, quietEnd),
    rateDuring: rateIn(load, from, to),
    delayBefore: delayIn(load, before, quietEnd),
    delayDuring: delayIn(load, from, to),
    timeline: timelineOf(load, from, from - MARGIN_MS, to + MARGIN_MS, PARTS),
  }
}

/** The first snapshot comes with what a method does only once, such as a warm-up: it is told like the others. */
export async function measure(session: Session, rounds: number): Promise<Sample[]> {
  const load = session.startLoad()
  await setTimeout(WARM_MS)
  const samples: Sample[] = []
  for (let round = 0; round < rounds; round++) {
    await session.settled?.()
    samples.push(await takeOne(session, load))
  }
  await load.stop()
  await session.close?.()
  return samples
}
