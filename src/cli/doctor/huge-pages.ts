import { binding } from '../../binding'
import { packedHeapLibrary } from '../../packed-heap'
import { type Check, judge } from './check'
import type { Subject } from './subject'

const FILE = '/sys/kernel/mm/transparent_hugepage/enabled'

const THP_WHY =
  'fork() copies page tables, and those of huge pages are tiny: a packed heap and an Arena ask for them (madvise). With "always" every ' +
  'process gets them unasked, and its resident memory grows; with "never" nobody does, and a fork of large state takes ten times as long.'

export function checkHugePages({ system }: Subject): Check {
  const check = judge('huge-pages', THP_WHY)
  const mode = /\[(\w+)\]/.exec(system.text(FILE) ?? '')?.[1]
  const mend = `echo madvise > ${FILE}, at every start of the machine`
  if (mode === undefined) return check.skipped('whether there are transparent huge pages cannot be read here')
  if (mode === 'never') return check.warn('transparent huge pages are switched off ("never")', mend)
  if (mode === 'always') return check.warn('transparent huge pages are given to everybody ("always")', mend)
  return check.ok('transparent huge pages are given to those who ask ("madvise")')
}

const PACKED_WHY = 'A heap that is packed into huge pages (forksnap exec) forks in about a tenth of the time.'

export function checkPackedHeap({ system }: Subject): Check {
  const check = judge('packed-heap', PACKED_WHY)
  if (!system.here) return check.skipped('not for the files of another machine')
  const library = packedHeapLibrary()
  if ('problem' in library)
    return check.warn(`the heap cannot be packed: ${library.problem}`, 'see docs/packed-heap.md')
  try {
    const stats = binding().packedHeapStats()
    return check.ok(
      stats === null ? 'available: start the server with "forksnap exec -- node server.js"' : 'in use here',
    )
  } catch {
    return check.skipped('the addon is missing, see there')
  }
}
