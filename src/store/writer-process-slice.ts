import { execFileSync } from 'node:child_process'
import { closeSync, constants, createReadStream, mkdirSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { ForksnapError, isForksnapError } from '../errors'
import { failpoint } from '../failpoint'
import { checkEpoch, joinOwner } from '../postgres/epoch'
import { quoteTable } from '../postgres/identifiers'
import { endBackend, Session } from '../postgres/session'
import { catalogueTable, type Layout } from './postgres-layout'
import { type Loaded, SliceLoader } from './postgres-load'
import { checkReported, commit, enter, type Publication, wasCommitted } from './postgres-publish'
import { DIRECTORY_MODE, openRegular } from './safe-open'
import type { BeginRequest, Begun, CommitRequest } from './writer-process-protocol'

const APPLICATION = 'forksnap writer'

interface Fifo {
  readonly folder: string
  readonly path: string
  readonly fd: number
}

/** One slice in the writer process: its channel, its connection and its transaction. */
export class WriterSlice {
  readonly #request: BeginRequest
  readonly #session: Session
  readonly #sliceId: bigint
  #fifo: Fifo | undefined
  #input: Socket | undefined
  #loading: Promise<Loaded> | undefined
  #failure: unknown
  #over = false

  private constructor(request: BeginRequest, session: Session, sliceId: bigint) {
    this.#request = request
    this.#session = session
    this.#sliceId = sliceId
  }

  get sliceId(): bigint {
    return this.#sliceId
  }

  /** Connects, checks that this owner is still the right one, and makes the channel. */
  static async begin(request: BeginRequest): Promise<WriterSlice> {
    const { layout, publication, spooled } = request
    const session = await openSession(request)
    try {
      await joinOwner(session, publication.owner)
      await session.transaction('look at the epoch', () =>
        checkEpoch(session, publication.owner, publication.ownerEpoch),
      )
      const sliceId = spooled?.sliceId ?? (await nextSliceId(session, layout))
      const slice = new WriterSlice(request, session, sliceId)
      if (spooled === undefined) slice.#makeFifo()
      return slice
    } catch (error) {
      await session.close()
      throw error
    }
  }

  describe(): Begun {
    return { sliceId: this.#sliceId, backend: this.#session.backend, fifo: this.#fifo?.path ?? '' }
  }

  /**
   * A FIFO, since Node has no `pipe()`: it has no name any more once both ends are open. All at once, so that the end of
   * the parent cannot come between the folder and the knowledge of it.
   */
  #makeFifo(): void {
    const { folder } = this.#request
    mkdirSync(folder, { mode: DIRECTORY_MODE })
    failpoint('store.postgres.fifo.before')
    try {
      const path = join(folder, 'slice')
      execFileSync('mkfifo', ['-m', '600', path])
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
      this.#fifo = { folder, path, fd }
      failpoint('store.postgres.fifo.after')
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Begins to read. Before the parent has opened its end, a FIFO would look as if it had ended. */
  opened(): void {
    const { folder, fd } = this.#fifo as Fifo
    rmSync(folder, { recursive: true, force: true })
    this.#fifo = undefined
    this.#input = new Socket({ fd, readable: true, writable: false })
    this.#begin(this.#input)
  }

  /** The whole stream is in the transaction, or it will never be. */
  async loaded(): Promise<Loaded> {
    if (this.#loading === undefined) {
      const { spooled } = this.#request
      if (spooled === undefined) throw new ForksnapError('ERR_INVALID_STATE', 'The channel of the slice was not opened')
      const { fd } = await openRegular(spooled.path, constants.O_RDONLY)
      this.#begin(createReadStream('', { fd, highWaterMark: SPOOL_CHUNK_BYTES }))
    }
    return this.#loading as Promise<Loaded>
  }

  #begin(input: AsyncIterable<Buffer>): void {
    this.#loading = this.#load(input)
    // Whoever asks hears of it; the child sees that its channel has ended.
    this.#loading.catch((error: unknown) => {
      this.#failure = error
      this.#input?.destroy()
    })
  }

  async #load(input: AsyncIterable<Buffer>): Promise<Loaded> {
    await this.#session.query('begin a slice', 'BEGIN')
    const aside = () => openSession(this.#request)
    return new SliceLoader(this.#session, this.#request.layout, this.#sliceId, aside).load(input)
  }

  /** Why reading has stopped, if the database is the reason; a stream that broke off is the child's affair. */
  get failure(): unknown {
    return isForksnapError(this.#failure, 'ERR_SLICE_CORRUPT') ? undefined : this.#failure
  }

  /** Publishes. An answer that was lost is looked up before anything is said. */
  async commit(request: CommitRequest): Promise<Date> {
    try {
      const loaded = await this.loaded()
      checkReported(loaded, request)
      const createdAt = await enter(this.#session, this.#request.layout, this.#publication(), loaded)
      await this.#commit()
      return createdAt
    } finally {
      this.#over = true
      await this.#end()
    }
  }

  async #commit(): Promise<void> {
    try {
      await commit(this.#session)
      await this.#session.close()
    } catch (error) {
      this.#session.drop()
      const open = () => openSession(this.#request)
      const { layout } = this.#request
      if ((await wasCommitted(open, layout, this.#sliceId, this.#session.backend)) === undefined) throw error
    }
  }

  #publication(): Publication {
    return { ...this.#request.publication, sliceId: this.#sliceId }
  }

  /** Rolls back, whatever the connection is busy with, and waits until the server has. */
  async cancel(): Promise<void> {
    if (this.#over) return
    this.#over = true
    await this.#end()
    const session = await openSession(this.#request)
    try {
      await endBackend(session, this.#session.backend)
    } finally {
      await session.close()
    }
  }

  /** Cuts the channel and the connection. */
  async #end(): Promise<void> {
    this.#session.drop()
    this.#input?.destroy()
    await this.#loading?.catch(() => undefined)
    this.forget()
  }

  /** Removes what would stay on the disk. */
  forget(): void {
    const fifo = this.#fifo
    this.#fifo = undefined
    if (fifo === undefined) return
    closeSync(fifo.fd)
    rmSync(fifo.folder, { recursive: true, force: true })
  }
}

function openSession({ connection, answerMs }: BeginRequest): Promise<Session> {
  return Session.open(connection, APPLICATION, answerMs)
}

const SPOOL_CHUNK_BYTES = 1024 * 1024

async function nextSliceId(session: Session, layout: Layout): Promise<bigint> {
  const text = `SELECT nextval(pg_get_serial_sequence($1, 'slice_id')) AS id`
  const { rows } = await session.query<{ id: string }>('take a slice id', text, [quoteTable(catalogueTable(layout))])
  return BigInt(rows[0].id)
}
