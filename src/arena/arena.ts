import { constants } from 'node:buffer'
import { isArrayBuffer } from 'node:util/types'
import { type ArenaHandle, binding, type NativeBinding } from '../binding'
import * as check from '../checks'
import { errnoOf, ForksnapError } from '../errors'
import type { BlobReceiver } from '../slice/types'
import type { TableSchema } from './columns'
import { type ArenaPages, pagesOf } from './pages'
import { ArenaTable, type ArenaTableOptions } from './table'

/** How large an arena is, and what kind of pages it asks for. */
export interface ArenaOptions {
  /**
   * Bytes of the first region and, at least, of each by which the arena grows, rounded up to 2 MiB: 1 to 2^46. It is
   * address space; memory is taken as it is written to, a page at a time.
   */
  readonly bytes: number
  /**
   * `'auto'` (default) asks the kernel for huge pages (Linux, `MADV_HUGEPAGE`): a fork then copies one entry of the page
   * table for each 2 MiB instead of 512. `'never'` keeps the kernel from using them.
   */
  readonly hugePages?: 'auto' | 'never'
  /** Most bytes of all regions together, rounded down to 2 MiB; `bytes` to 2^46. Default: no limit but the system's. */
  readonly maxBytes?: number
}

/** What an arena holds. */
export interface ArenaStats {
  /** Address space of all regions, in bytes. */
  readonly mappedBytes: number
  /** Bytes of the buffers that are in use. */
  readonly usedBytes: number
  /** Buffers that are in use. */
  readonly buffers: number
  /** Regions that the system gave it. */
  readonly regions: number
  /** Only if asked for, and on Linux. */
  readonly pages?: ArenaPages
}

const REGION_BYTES_MAX = 2 ** 46
const KEYS: readonly (keyof ArenaOptions)[] = ['bytes', 'hugePages', 'maxBytes']

/**
 * Memory for large state outside of V8's heap, made for forks: ArrayBuffers from anonymous private memory in huge pages.
 * A buffer is used like any other one, and so are its typed arrays; a fork's child sees what they held at its instant. The memory
 * of a buffer is the arena's again when `free` is called or the buffer is collected; the arena's own goes back to the
 * system when neither the arena nor any of its buffers is left. `process.memoryUsage().external` counts the buffers.
 *
 * Works in Worker threads, too. The constructor throws `ERR_INVALID_ARGUMENT`, `ERR_ARENA_FULL` if `bytes` do not fit into
 * `maxBytes` once they are rounded, `ERR_OUT_OF_MEMORY`, and `ERR_UNSUPPORTED_PLATFORM` without the native addon or in a Node that
 * allows no memory but V8's in buffers (builds with V8's sandbox, such as Electron's).
 */
export class Arena {
  readonly #native: NativeBinding
  readonly #handle: ArenaHandle
  /** Where `collapse` goes on; 0n: at the beginning. */
  #collapseFrom = 0n

  constructor(options: ArenaOptions) {
    const { bytes, hugePages, maxBytes } = checked(options)
    this.#native = binding()
    this.#handle = explained(`An arena of ${bytes} bytes`, () =>
      this.#native.arenaOpen(bytes, maxBytes, hugePages === 'auto'),
    )
  }

  /**
   * A zeroed ArrayBuffer of that length, 1 to `buffer.constants.MAX_LENGTH` bytes. Its start is a multiple of 64, and of 2 MiB
   * if it is as long. Throws `ERR_INVALID_ARGUMENT`, `ERR_ARENA_FULL`, `ERR_OUT_OF_MEMORY`.
   */
  alloc(bytes: number): ArrayBuffer {
    check.checkWhole('bytes', bytes, 1, constants.MAX_LENGTH)
    return explained(`A buffer of ${bytes} bytes`, () => this.#native.arenaAlloc(this.#handle, bytes))
  }

  /**
   * Frees a buffer, which is detached by it: its length and that of its views is 0 from now on. Pages that are all free
   * go back to the system. Not to be called while the system still reads or writes it (`fs.read`, a socket).
   * Throws `ERR_INVALID_STATE` for one that was freed already or transferred (its new owner lets it go when it is
   * collected), and `ERR_INVALID_ARGUMENT` for what is not this arena's.
   */
  free(buffer: ArrayBuffer): void {
    if (!isArrayBuffer(buffer)) throw check.invalidArgument('buffer', 'an ArrayBuffer', buffer)
    if (isDetached(buffer)) {
      throw new ForksnapError('ERR_INVALID_STATE', 'The buffer is detached: it was freed already, or transferred')
    }
    if (explained('The buffer', () => this.#native.arenaFree(this.#handle, buffer))) return
    throw new ForksnapError('ERR_INVALID_ARGUMENT', 'The buffer is not from this arena')
  }

  /**
   * For `recover({ blobs: { name: arena.receive(done) } })`: reads a blob into a buffer of this arena, and calls `done` with it
   * once it is complete. (A blob of no bytes is an empty buffer that is nobody's.) The recovery ends with what `alloc` or `done` throws.
   */
  receive(done: (buffer: ArrayBuffer) => unknown): BlobReceiver {
    check.checkFunction('done', done)
    return {
      pieces: (bytes) => {
        const buffer = bytes === 0 ? new ArrayBuffer(0) : this.alloc(bytes)
        const target = new Uint8Array(buffer)
        let at = 0
        return {
          write(piece) {
            target.set(piece, at)
            at += piece.length
          },
          end: () => void done(buffer),
        }
      },
    }
  }

  /**
   * A growable table of numbers in this arena, such as `{ id: 'u64', price: 'i64', amount: 'f64', side: 'u8' }`. It takes memory with its
   * first row. Throws `ERR_INVALID_ARGUMENT`.
   */
  table<const S extends TableSchema>(schema: S, options?: ArenaTableOptions): ArenaTable<S> {
    return new ArenaTable(this, schema, options)
  }

  /**
   * Makes huge pages again of those that writes have split while a child lived, for about `ms` milliseconds (0.1 to 10,000,
   * default 2; it works by 8 MiB, which can take 2 ms), and returns whether it is done: the next fork's pause is short again
   * then. It happens by itself, on another thread and with rests, once a child has been reaped; call it, until it is true,
   * to have it done now. While a child lives the pages that it shares stay as they are. Needs Linux 6.1; does nothing
   * elsewhere or with `hugePages: 'never'`, and returns true.
   */
  collapse(ms = 2): boolean {
    check.checkNumber('ms', ms, 0.1, 10_000)
    this.#collapseFrom = this.#native.arenaCollapse(this.#handle, this.#collapseFrom, ms)
    return this.#collapseFrom === 0n
  }

  /**
   * What the arena holds. With `pages` also what the system says of its pages: that reads `/proc/self/smaps`, which blocks
   * for up to 40 ms for each GB that the process has in memory.
   */
  stats(options: { readonly pages?: boolean } = {}): ArenaStats {
    check.checkOptions('options', options, ['pages'])
    const { mappedBytes, usedBytes, blocks, regions } = this.#native.arenaStats(this.#handle)
    const stats = { mappedBytes, usedBytes, buffers: blocks, regions: regions.length }
    const pages = options.pages === true ? pagesOf(regions) : undefined
    return pages === undefined ? stats : { ...stats, pages }
  }
}

function checked(options: ArenaOptions): Required<ArenaOptions> {
  check.checkOptions('options', options, KEYS)
  const { bytes, hugePages = 'auto', maxBytes } = options
  check.checkWhole('bytes', bytes, 1, REGION_BYTES_MAX)
  if (hugePages !== 'auto' && hugePages !== 'never') {
    throw check.invalidArgument('hugePages', "'auto' or 'never'", hugePages)
  }
  if (maxBytes !== undefined) check.checkWhole('maxBytes', maxBytes, bytes, REGION_BYTES_MAX)
  return { bytes, hugePages, maxBytes: maxBytes ?? Infinity }
}

/** A view of a detached buffer cannot be made, in any version of Node. */
function isDetached(buffer: ArrayBuffer): boolean {
  try {
    return new Uint8Array(buffer).buffer !== buffer
  } catch {
    return true
  }
}

/** Runs a call of the addon; what it throws becomes an error of ours. */
function explained<T>(what: string, call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw explanation(what, errnoOf(cause), cause)
  }
}

function explanation(what: string, code: string | undefined, cause: unknown): ForksnapError {
  if (code === 'LIMIT') {
    const message = `${what} does not fit: the arena may not grow beyond its maxBytes. Free buffers or raise it.`
    return new ForksnapError('ERR_ARENA_FULL', message, { cause })
  }
  if (code === 'NOT_ALLOWED') {
    const message = "This Node.js allows no memory but its own in ArrayBuffers (it was built with V8's sandbox)"
    return new ForksnapError('ERR_UNSUPPORTED_PLATFORM', `${message}: arenas do not work in it`, { cause })
  }
  if (code === 'NOT_DETACHABLE') {
    return new ForksnapError('ERR_INVALID_STATE', `${what} cannot be freed: it must not be detached`, { cause })
  }
  const details = { cause, syscall: 'mmap', ...(code === undefined ? {} : { errno: code }) }
  const message = `${what}: the system gives no more memory (${code ?? String(cause)}); look at its limits (ulimit -v, overcommit, cgroup)`
  return new ForksnapError('ERR_OUT_OF_MEMORY', message, details)
}
