import { binding } from '../../binding'
import { PACKED_HEAP_LIBRARY, packedHeapLibrary } from '../../packed-heap'
import { type Check, judge } from './check'
import type { Subject } from './subject'
import type { System } from './system'

const FOLDER = '/sys/kernel/mm/transparent_hugepage'

const THP_WHY =
  'fork() copies page tables, and those of huge pages are tiny: a packed heap and an Arena ask for them (madvise). With "always" every ' +
  'process gets them unasked, and its resident memory grows; with "never" nobody does, and a fork of large state takes ten times as long.'

export function checkHugePages({ system, pid }: Subject): Check {
  const check = judge('huge-pages', THP_WHY)
  const setting = settingOf(system)
  if (setting === undefined) return check.skipped('whether there are transparent huge pages cannot be read here')
  const { mode, file } = setting
  const mend = `echo madvise > ${file}, at every start of the machine`
  if (mode === 'never') return check.warn('transparent huge pages are switched off ("never")', mend)
  // A process inherits it from the one that has started it.
  if (system.word(`/proc/${pid}/status`, 'THP_enabled') === '0') {
    const started = 'see what has started it: prctl(PR_SET_THP_DISABLE) holds for all that a process starts'
    return check.warn('transparent huge pages are switched off for this process', started)
  }
  if (mode === 'always') return check.warn('transparent huge pages are given to everybody ("always")', mend)
  return check.ok('transparent huge pages are given to those who ask ("madvise")')
}

/** What holds for pages of 2 MiB, or how large they are here. From Linux 6.8 on each size may have a setting of its own. */
function settingOf(system: System): { mode: string; file: string } | undefined {
  const kilobytes = (system.number(`${FOLDER}/hpage_pmd_size`) ?? 2 ** 21) / 1024
  for (const file of [`${FOLDER}/hugepages-${kilobytes}kB/enabled`, `${FOLDER}/enabled`]) {
    const mode = /\[(\w+)\]/.exec(system.text(file) ?? '')?.[1]
    if (mode !== undefined && mode !== 'inherit') return { mode, file }
  }
  return undefined
}

const PACKED_WHY = 'A heap that is packed into huge pages (forksnap exec) forks in about a tenth of the time.'

export function checkPackedHeap({ system, pid }: Subject): Check {
  const check = judge('packed-heap', PACKED_WHY)
  if (!system.here) return check.skipped('not for the files of another machine')
  // Its own mappings tell, whatever this Node could do.
  if (pid !== 'self' && (system.text(`/proc/${pid}/maps`) ?? '').includes(PACKED_HEAP_LIBRARY))
    return check.ok(`loaded in process ${pid}`)
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
