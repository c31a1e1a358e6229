import { readFileSync } from 'node:fs'
import { addonFiles, askedAddon, buildAdvice, missingAddon } from './addon-files'
import { ForksnapError } from './errors'

/** One child's status page: native memory shared by parent and child. */
export interface StatusPage {
  readonly __statusPage: never
}

/** An arena's memory, which lives as long as this handle or any of its buffers does. */
export interface ArenaHandle {
  readonly __arena: never
}

export interface NativeArenaStats {
  readonly mappedBytes: number
  readonly usedBytes: number
  readonly blocks: number
  /** `start-end`, as in /proc/self/smaps. */
  readonly regions: readonly string[]
}

/** A child's state as its page tells it; `outcome` is a number of `Outcome`. */
export interface PageState {
  rows: number
  bytes: number
  cowBytes: number
  /** The child's own, from the fork to its end: page faults and collections; 0 before. */
  faults: number
  youngGcs: number
  fullGcs: number
  /** Grows with every sign of life. */
  beats: number
  outcome: number
  message: string
}

/** How the child says that it ended; the same numbers as in `native/status_page.h`. */
export const Outcome = {
  running: 0,
  returned: 1,
  threw: 2,
  returnedPromise: 3,
  calledExit: 4,
  aborted: 5,
  setupFailed: 6,
  outOfMemory: 7,
  fatalError: 8,
  resultTooLarge: 9,
} as const

export interface NativeForkOptions {
  keepFds: readonly number[]
  keepStdio: boolean
  title: string
  nice: number
  idle: boolean
  /** Value for `ioprio_set`, or -1. */
  ioPriority: number
  cpus: readonly number[]
  /** -1001: the parent's plus 500. */
  oomScoreAdj: number
  coreDump: boolean
}

export interface NativeForkResult {
  /** 0 in the child, the pid in the parent, -1 if there was no fork. */
  pid: number
  /** The parts of the pause in their order, in milliseconds; 0 for what was not reached. */
  lookMs: number
  inheritMs: number
  forkMs: number
  restoreMs: number
  releaseMs: number
  /** A thread has left or never came: the quiescence must begin anew. */
  notParked: boolean
  /** The thread that was not at rest, or 0. */
  busyTid: number
  busyState: string
  errno: string
  syscall: string
}

export interface QuiesceProgress {
  scanned: boolean
  poolParked: number
  poolNeeded: number
  poolKnown: boolean
  v8Parked: number
  v8Needed: number
  v8Known: boolean
  isolatesParked: number
  isolates: number
}

/** In bytes: used by V8, free but kept, ever used, reserved address space. */
export interface PackedHeapStats {
  liveBytes: number
  idleBytes: number
  committedBytes: number
  reservedBytes: number
}

export interface CollapseResult {
  /** Pages of 2 MiB that are huge now, and those that the kernel refused. */
  made: number
  refused: number
  /** The longest that one page took, in all and on a processor: meanwhile whoever maps memory waits. */
  longestMs: number
  longestCpuMs: number
  /** The end of the heap has been reached; the next call begins anew. */
  finished: boolean
  /** Neither the heap nor the kernel is of the kind: further calls are in vain. */
  unsupported: boolean
}

/** Totals of this process, each from some moment before the first call on. */
export interface NativeCost {
  /** Page faults that needed no disk, of all threads. */
  faults: number
  youngGcs: number
  fullGcs: number
  /** Times that marking in steps began. */
  markings: number
  /** Whether such marking is under way now. */
  marking: boolean
  /** Of the main thread, in milliseconds. */
  gcMs: number
}

export interface NativeWaitStatus {
  pid: number
  exited: boolean
  exitCode: number
  signaled: boolean
  signal: number
  coreDumped: boolean
}

export interface ChildWatch {
  signal(signal: number): void
  close(): void
}

/** What the addon exports. A test compares this list with the addon itself. */
export interface NativeBinding {
  quiesceBegin(onEvent: () => void, patienceMs: number): void
  quiesceScan(): void
  quiesceParkPool(): void
  quiesceWatchPool(): void
  quiesceExcusePool(): boolean
  quiesceParkV8Workers(): void
  quiesceReleaseIsolates(): void
  quiesceUnpark(patienceMs: number): void
  quiesceLearnPool(): void
  quiesceLearnV8(): void
  quiesceEnd(): void
  /** MADV_DONTFORK on V8's memory, for 0.2 ms or so, or to the end; true while there is more to do. */
  putHeapMarkBack(all: boolean): boolean
  quiesceProgress(): QuiesceProgress
  quiesceLook(): boolean
  registerIsolate(): void
  /** Full collections of the main thread's heap, counted from the first call on. */
  fullGcCount(): number
  costSoFar(): NativeCost
  /** Whether V8 puts full collections off, within bounds of its own; see `native/v8_gc.h`. */
  deferFullGc(defer: boolean): void
  readonly pageBytes: number
  fork(options: NativeForkOptions, page: StatusPage, main: () => void): NativeForkResult
  forkBare(options: NativeForkOptions, waitMs: number): NativeForkResult
  isInChild(): boolean
  /** The system's word; `process.pid` is a value that Node took at its start. */
  getpid(): number
  isInMicrotask(): boolean
  childExit(outcome: number, code: number, message: string): never
  /** Whether so many threads of V8's run in the child from now on. */
  childStartV8Workers(count: number): boolean
  childProgress(rows: number, bytes: number): void
  childResult(bytes: Uint8Array): boolean
  openPage(): StatusPage
  readPage(page: StatusPage): PageState
  readPageResult(page: StatusPage): Buffer
  closePage(page: StatusPage): void
  waitpid(pid: number, options: number): NativeWaitStatus | null
  readonly WNOHANG: number
  ChildWatch: new (pid: number, onEnd: () => void) => ChildWatch
  flock(fd: number, mode: 'exclusive' | 'shared' | 'unlock'): boolean
  /**
   * Has the disk begin with these bytes of a file, or waits until it has them (Linux, `sync_file_range`); no substitute for a
   * sync. False where there is no such call. Throws with the errno.
   */
  writeBack(fd: number, start: number, bytes: number, wait: boolean): boolean
  /** Null in a process whose heap is not packed (`forksnap exec`). */
  packedHeapStats(): PackedHeapStats | null
  /** On a thread of libuv's pool. One call at a time. */
  packedHeapCollapse(budgetMs: number, done: (error: Error | null, result?: CollapseResult) => void): void
  /**
   * `execve()`: this process becomes that command, looked up in PATH, in its own environment with these changes. Does
   * not return; throws with the errno's name as `code`.
   */
  replaceProcess(command: readonly string[], environment: Readonly<Record<string, string>>): never
  /** Throws with the code `LIMIT`, `NOT_ALLOWED` or the errno of mmap. */
  arenaOpen(bytes: number, maxBytes: number, hugePages: boolean): ArenaHandle
  /** Throws with the code `LIMIT` or the errno of mmap. */
  arenaAlloc(arena: ArenaHandle, bytes: number): ArrayBuffer
  /** False if no block of the arena begins where the buffer does. */
  arenaFree(arena: ArenaHandle, buffer: ArrayBuffer): boolean
  arenaStats(arena: ArenaHandle): NativeArenaStats
  /** Goes on at an address (0n: begins) for so many milliseconds; returns where to go on, or 0n at the end. */
  arenaCollapse(arena: ArenaHandle, from: bigint, ms: number): bigint
  /** In a child, what was written and will not be read again; elsewhere nothing. Returns the bytes given back. */
  arenaGiveBack(bytes: Uint8Array): number
  /** Whether there are arenas in this process, of whichever thread. */
  arenasLive(): boolean
  /** All of them, on a thread of libuv's pool, one call at a time; `finished` once all have been gone through. */
  arenasCollapse(budgetMs: number, done: (error: Error | null, finished?: boolean) => void): void
}

let loaded: NativeBinding | undefined
let failure: ForksnapError | undefined
let passedOver: string | undefined

/** In each addon, before the number of the ABI that it was built for and a semicolon; see `native/addon.cc`. */
const ABI_MARK = 'forksnap addon for Node ABI '

/** Asked before the addon is loaded: in a Node with another ABI it would crash. */
function checkAbi(file: string): void {
  const bytes = readFileSync(file)
  const at = bytes.indexOf(ABI_MARK)
  if (at < 0) throw new Error('it is no addon of forksnap, or was built from older sources than this package')
  const start = at + ABI_MARK.length
  const abi = bytes.toString('latin1', start, bytes.indexOf(';', start))
  if (abi === process.versions.modules) return
  throw new Error(`it was built for Node ABI ${abi}, and Node ${process.version} has ABI ${process.versions.modules}`)
}

/** One of the newest exports: an addon without it was built from older sources. */
const NEWEST_EXPORT = 'putHeapMarkBack' satisfies keyof NativeBinding

function checked(addon: NativeBinding): NativeBinding {
  if (NEWEST_EXPORT in addon) return addon
  throw new Error('it was built from older sources than this package')
}

function load(): NativeBinding {
  const existing = addonFiles()
  const causes: unknown[] = []
  const asked = askedAddon()
  if (asked !== undefined && !existing.includes(asked)) passedOver = 'there is no such file'
  for (const file of existing) {
    try {
      checkAbi(file)
      return checked(require(file) as NativeBinding)
    } catch (cause) {
      causes.push(cause)
      if (file === asked) passedOver = (cause as Error).message
    }
  }
  // Some of Node's own reasons are sentences that have an end already.
  const why = String(causes[0]).replace(/\.$/, '')
  const what = existing.length === 0 ? missingAddon() : `it could not be loaded: ${why}`
  const message = `forksnap needs its native addon, and ${what}. ${buildAdvice()}`
  throw new ForksnapError('ERR_UNSUPPORTED_PLATFORM', message, { cause: causes[0] })
}

/**
 * The native addon, loaded at the first call: importing forksnap must work where there is none.
 * Throws `ERR_UNSUPPORTED_PLATFORM`, the same error each time, if it is missing or does not load.
 */
export function binding(): NativeBinding {
  if (failure) throw failure
  try {
    loaded ??= load()
  } catch (error) {
    failure = error as ForksnapError
    throw failure
  }
  return loaded
}

/** Why the addon that `FORKSNAP_ADDON` names is not the one that is loaded; undefined if it is, or before `binding()`. */
export function askedAddonProblem(): string | undefined {
  return passedOver
}
