import { errnoOf, ForksnapError, isForksnapError } from '../errors'
import { step, syncStep } from '../failpoint'
import { CommandIndex, type EntryContents, type IndexEntry, readEntry } from './command-index'
import { checkCommandStoreOptions, type CheckedCommandStoreOptions, type CommandStoreOptions } from './command-options'
import { Pipes } from './command-pipe'
import { runCommand, type Placeholders } from './command-process'
import { CommandSink, type CommandSinkHost } from './command-sink'
import { CommandSource } from './command-source'
import { FIRST_EPOCH, nextEpoch, readEpoch, replaceEpoch } from './epoch-file'
import { Exclusive } from './exclusive'
import { DirectoryLock } from './lock'
import { OpenSinks } from './open-sinks'
import { slicesToRemove } from './retention'
import { asStoreError, checkDirectory, fsyncDirectory, makeDirectory } from './safe-open'
import type { SliceInfo, SliceSink, SliceSource, SliceStore } from './store'

export type { CommandStoreOptions } from './command-options'
export type { Command } from './command-process'

/**
 * Slices through commands: the stream goes to the standard input of any program (`zstd`, `aws s3 cp -`), and comes back
 * from the standard output of another. A slice is published when the child has ended cleanly and the command with
 * exit code 0. What was published, and in which order, is in a small index directory of the store's own
 * (command-index.ts), which has the lock and the epoch, too: keep it as safe as the slices.
 *
 * Commands run in sessions of their own, so a Ctrl-C does not reach them. If this process dies, a running command
 * sees the end of its input and may store an unfinished slice; it is not in the index, its id is never given again, and
 * `prune()` removes it through `removeCommand`.
 *
 * Every method rejects with `ERR_STORE_FAILED` if a command (`exitCode`, `signal`, `errno`) or the index's file system
 * fails. Those that change something reject with `ERR_INVALID_STATE` before `start()`, and with `ERR_FENCED` if the
 * lock file was removed or replaced.
 */
export class CommandStore implements SliceStore {
  readonly kind = 'command'
  /** Where the index of the slices is, as an absolute path. */
  readonly directory: string
  readonly #options: CheckedCommandStoreOptions
  readonly #index: CommandIndex
  readonly #pipes: Pipes
  readonly #changes = new Exclusive()
  readonly #sinks = new OpenSinks<CommandSink>()
  #lock: DirectoryLock | null = null
  #epoch = FIRST_EPOCH

  /** Throws `ERR_INVALID_ARGUMENT` for options out of their ranges; touches no file and starts nothing. */
  constructor(options: CommandStoreOptions) {
    this.#options = checkCommandStoreOptions(options)
    this.directory = this.#options.directory
    this.#index = new CommandIndex(this.directory)
    this.#pipes = new Pipes(this.directory)
  }

  /** The epoch of new slices. A store that only reads knows it after `list()`. */
  get epoch(): bigint {
    return this.#epoch
  }

  /** Prepares and locks the index as a FileStore does its directory; runs no command. */
  start(): Promise<void> {
    return this.#change('prepare the index', async () => {
      if (this.#lock !== null) return
      await makeDirectory(this.directory)
      await checkDirectory(this.directory)
      const lock = await DirectoryLock.acquire(this.directory)
      try {
        await this.#loadEpoch()
        await this.#index.load()
        await this.#pipes.removeStrays()
        this.#lock = lock
      } catch (error) {
        await lock.release()
        throw error
      }
    })
  }

  /** Starts the command. Rejects with `ERR_STORE_FAILED` and `errno` (`ENOENT`, `EACCES`) if it cannot be started. */
  create(): Promise<SliceSink> {
    return this.#sinks.create(() => this.#attempt('create a slice in', () => this.#create()))
  }

  async #create(): Promise<CommandSink> {
    const slice = await this.#changes.run(async () => {
      await this.#checkOwned()
      return this.#index.begin(this.#epoch)
    })
    try {
      return await CommandSink.create(this.#sinkHost(), slice, this.#options.writing)
    } catch (error) {
      await this.#withdraw(slice).catch(() => undefined) // The first error is the one to tell; prune() tries again.
      throw error
    }
  }

  /** What the index says. A slice whose entry is damaged is listed with 0 rows, so that `open()` can say what is wrong. */
  list(): Promise<SliceInfo[]> {
    return this.#attempt('list the slices in', async () => {
      if (this.#lock === null) await this.#loadEpoch()
      const infos: SliceInfo[] = []
      for (const entry of await this.#index.entries()) {
        const info = await describe(entry)
        if (info !== null) infos.push(info)
      }
      return infos
    })
  }

  /** Reads the index only; the command runs with each `read()` and `verify()`. `ERR_INVALID_STATE` without `readCommand`. */
  open(sliceId: bigint): Promise<SliceSource> {
    return this.#attempt(`open slice ${sliceId} in`, async () => {
      const { readCommand: command, limitMs } = this.#options
      if (command === undefined) {
        throw new ForksnapError('ERR_INVALID_STATE', 'This store cannot read: give it a readCommand')
      }
      const entry = await this.#find(sliceId)
      const contents = await this.#read(entry)
      const damaged = (): Promise<unknown> => this.#setAside(entry)
      const placeholders = { sliceId, epoch: entry.epoch }
      return new CommandSource(infoOf(entry, contents), contents, { command, placeholders, limitMs, damaged })
    })
  }

  remove(sliceId: bigint): Promise<void> {
    return this.#attempt(`remove slice ${sliceId} from`, async () => {
      await this.#changes.run(async () => {
        await this.#checkOwned()
        await this.#index.unlist([await this.#find(sliceId)])
      })
      await this.#removeGone()
    })
  }

  beginEpoch(): Promise<bigint> {
    return this.#change('begin an epoch in', async () => {
      await this.#checkOwned()
      const next = nextEpoch(this.#epoch)
      await replaceEpoch(this.directory, next)
      this.#epoch = next
      await syncStep('store.command.epoch.directory-sync', () => fsyncDirectory(this.directory))
      return next
    })
  }

  /**
   * Takes what `keep` no longer covers out of the index, then has `removeCommand` remove it, as well as what crashes and
   * failures have left. That a command took a slice with exit code 0 is what makes it good here; none is read for it.
   * If a removal fails, this rejects after the others, and the next call tries again.
   */
  async prune(): Promise<bigint[]> {
    return this.#attempt('prune', async () => {
      const removed = await this.#changes.run(async () => {
        await this.#checkOwned()
        const infos = await this.#sound()
        const newest = infos[0]
        const old = newest === undefined ? [] : slicesToRemove(infos, this.#options.keep, newest.sliceId, Date.now())
        await this.#index.unlist(old)
        return old.map((info) => info.sliceId)
      })
      await this.#removeGone()
      return removed
    })
  }

  /** Waits for running commits, kills the commands of unfinished slices, releases the lock. */
  close(): Promise<void> {
    const unlock = async (): Promise<void> => {
      const lock = this.#lock
      this.#lock = null
      await (lock === null ? undefined : this.#pipes.removeStrays().finally(() => lock.release()))
    }
    return this.#sinks.close(() => this.#change('unlock', unlock))
  }

  #sinkHost(): CommandSinkHost {
    return {
      index: this.#index,
      pipes: this.#pipes,
      command: this.#options.command,
      limitMs: this.#options.limitMs,
      currentEpoch: () => this.#epoch,
      exclusive: (work) => this.#changes.run(work),
      checkOwned: () => this.#checkOwned(),
      withdraw: (slice) => this.#withdraw(slice),
      settled: (sink) => this.#sinks.settled(sink),
    }
  }

  async #withdraw(slice: Placeholders): Promise<void> {
    await this.#changes.run(() => this.#index.withdraw(slice))
    await this.#removeBytes(slice)
  }

  /** Tries all, so that one that cannot be removed does not keep the others; throws the first failure. */
  async #removeGone(): Promise<void> {
    const failures: unknown[] = []
    for (const slice of await this.#index.gone()) {
      await this.#removeBytes(slice).catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  async #removeBytes(slice: Placeholders): Promise<void> {
    const { removeCommand, limitMs } = this.#options
    if (removeCommand !== undefined) {
      await step('store.command.remove', () => runCommand(removeCommand, slice, limitMs))
    }
    await this.#changes.run(() => this.#index.forget(slice))
  }

  async #find(sliceId: bigint): Promise<IndexEntry> {
    const entry = (await this.#index.entries()).find((one) => one.sliceId === sliceId)
    if (entry !== undefined) return entry
    const message = `There is no slice ${sliceId} in ${this.directory}; list() shows what there is`
    throw new ForksnapError('ERR_SLICE_NOT_FOUND', message, { path: this.directory })
  }

  async #read(entry: IndexEntry): Promise<EntryContents> {
    try {
      return await readEntry(entry)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return this.#read(await this.#find(entry.sliceId))
      if (isForksnapError(error, 'ERR_SLICE_CORRUPT')) await this.#setAside(entry)
      throw error
    }
  }

  /** Only the owner changes the index. A failure here would hide the damage that is about to be told. */
  async #setAside(entry: IndexEntry): Promise<void> {
    if (this.#lock === null) return
    await this.#changes.run(() => this.#index.setAside(entry)).catch(() => undefined)
  }

  /** Entries that can be read, newest first: the newest of them is what retention never removes. */
  async #sound(): Promise<(IndexEntry & { readonly createdAt: Date })[]> {
    const sound = []
    for (const entry of await this.#index.entries()) {
      const contents = await readEntry(entry).catch((error: unknown) => {
        if (isForksnapError(error)) return null
        throw error
      })
      if (contents !== null) sound.push({ ...entry, createdAt: contents.createdAt })
    }
    return sound
  }

  /** A lost epoch file must not make old slices of a later epoch look new, hence the look at the slices too. */
  async #loadEpoch(): Promise<void> {
    const written = await readEpoch(this.directory)
    const used = (await this.#index.entries())[0]?.epoch ?? FIRST_EPOCH
    this.#epoch = used > written ? used : written
  }

  async #checkOwned(): Promise<void> {
    if (this.#lock === null) {
      throw new ForksnapError('ERR_INVALID_STATE', `The store of ${this.directory} is not started; call start() first`)
    }
    if (await this.#lock.isOurs()) return
    const message = `The lock file of ${this.directory} was removed or replaced, so another process may own it; restart`
    throw new ForksnapError('ERR_FENCED', message, { path: this.directory })
  }

  #change<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return this.#attempt(doing, () => this.#changes.run(work))
  }

  async #attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw asStoreError(error, doing, this.directory)
    }
  }
}

function infoOf({ sliceId, epoch, position, path }: IndexEntry, contents: EntryContents): SliceInfo {
  const { header, trailer, createdAt } = contents
  const { rows, bytes } = trailer
  return { sliceId, epoch, position, rows, bytes, createdAt, meta: header.meta, location: path }
}

/** What `list()` tells of an entry; null if it was removed meanwhile. */
async function describe(entry: IndexEntry): Promise<SliceInfo | null> {
  try {
    return infoOf(entry, await readEntry(entry))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    if (!isForksnapError(error)) throw error
    const { sliceId, epoch, position, path } = entry
    return { sliceId, epoch, position, rows: 0, bytes: 0, createdAt: new Date(0), meta: { position }, location: path }
  }
}
