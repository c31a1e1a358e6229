import { createHash, randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { backOffMs } from '../back-off'
import { ForksnapError, isForksnapError } from '../errors'
import { tableExists } from './ddl'
import { createDurable } from './durable-table'
import { quoteTable, type TableName } from './identifiers'
import { type Backend, endBackend, type Session } from './session'

/**
 * Who may change what. An owner is known by its *name* (`slices:default`, `log:default`): there is one advisory lock and
 * one row of the epoch table for each.
 *
 * The lock belongs to a connection, so it ends with its process; it keeps a second process out as long as the first one
 * is well. What really fences is the epoch: each owner raises it when it begins, and every transaction that publishes or
 * appends reads the row `FOR SHARE` (`check`) and fails with `ERR_FENCED` if it is no longer its own. An owner that
 * raises it waits for such transactions to end, so that nothing of the old owner appears after the new one has looked.
 */
export interface OwnerOptions {
  /** Where the table `forksnap_epoch` is, or is created. */
  readonly schema: string
  readonly name: string
  /** Takes the place of an owner that still lives: raises the epoch and ends its connections. */
  readonly takeover: boolean
  /** How long to wait for the lock of an owner that has just ended, in milliseconds. Default 1,000. */
  readonly lockWaitMs?: number
}

interface EpochRow {
  readonly owner: string
  readonly epoch: string
  readonly reset_epoch: string
}

const LOCK_WAIT_MS = 1_000
const LOCK_BACK_OFF = { initialMs: 10, maxMs: 100, factor: 2 }
const TAKEOVER_ROUNDS_MAX = 5
/** How long an owner that was told to end may take, in each round. */
const TAKEOVER_WAIT_MS = 2_000
/** The server's code for a lock that was not to be had in time. */
const LOCK_NOT_AVAILABLE = '55P03'

export class Owner {
  readonly #options: OwnerOptions
  /** In the row as long as this owner is the current one, whatever its epoch. */
  readonly #token: string
  #epoch = 0n
  #resetEpoch = 0n

  private constructor(options: OwnerOptions, row: EpochRow) {
    this.#options = options
    this.#token = row.owner
    this.#adopt(row)
  }

  #adopt(row: EpochRow): bigint {
    this.#epoch = BigInt(row.epoch)
    this.#resetEpoch = BigInt(row.reset_epoch)
    return this.#epoch
  }

  /** The epoch of this owner. */
  get epoch(): bigint {
    return this.#epoch
  }

  /** The epoch of the last reset: what is older never counts again. */
  get resetEpoch(): bigint {
    return this.#resetEpoch
  }

  /**
   * Takes the lock, which then belongs to this session, and begins an epoch. Rejects with `ERR_LOCKED` if another session
   * holds the lock.
   */
  static async acquire(session: Session, options: OwnerOptions): Promise<Owner> {
    await Owner.lock(session, options)
    return Owner.begin(session, options)
  }

  /**
   * The first half of `acquire`. Nobody is fenced yet: an owner that lost its connection, or was told to end it by a
   * takeover, goes on as before if this session ends now.
   */
  static async lock(session: Session, options: OwnerOptions): Promise<void> {
    const table = epochTable(options.schema)
    await createDurable(session, [{ table, columns: EPOCH_COLUMNS }])
    await (options.takeover ? takeLock(session, options) : waitForLock(session, options))
  }

  /**
   * The second half of `acquire`, in the session that holds the lock: as long as it stands, so does the lock. The epoch is
   * higher than `above`, too, for what carries epochs of a database that was lost or set back.
   */
  static async begin(session: Session, options: OwnerOptions, above = 0n): Promise<Owner> {
    return new Owner(options, await raise(session, options, randomUUID(), { reset: false, above }))
  }

  /**
   * Takes the lock again in a new session, after the connection that held it was lost. Rejects with `ERR_FENCED` if there
   * was another owner meanwhile, with `ERR_LOCKED` if somebody is about to be.
   */
  async reacquire(session: Session): Promise<void> {
    await this.#adoptOwn(session)
    try {
      await waitForLock(session, this.#options)
    } finally {
      // Whoever has it, or had it, has perhaps raised the epoch by now: being fenced is then what there is to tell.
      await this.#adoptOwn(session)
    }
  }

  /** A reset whose COMMIT nobody answered may have raised this owner's own epoch. */
  async #adoptOwn(session: Session): Promise<void> {
    const row = await readRow(session, this.#options, '')
    if (row?.owner !== this.#token) throw fenced(this.#options.name, this.#epoch, row)
    this.#adopt(row)
  }

  /**
   * Within a transaction that publishes or appends: makes sure that this owner's epoch is the current one, and that it
   * stays so until the transaction ends. Rejects with `ERR_FENCED`.
   */
  async check(session: Session): Promise<void> {
    await checkEpoch(session, this.#options, this.#epoch)
  }

  /** Whether this owner's epoch is the current one now, which may change at once. Rejects with `ERR_FENCED` if not. */
  async look(session: Session): Promise<void> {
    const row = await readRow(session, this.#options, '')
    if (row?.epoch !== String(this.#epoch)) throw fenced(this.#options.name, this.#epoch, row)
  }

  /** Begins an epoch before which nothing counts any more. Resolves with it. */
  async reset(session: Session): Promise<bigint> {
    const row = await session.transaction('begin an epoch', async () => {
      await this.check(session)
      return raise(session, this.#options, this.#token, { reset: true, above: 0n })
    })
    return this.#adopt(row)
  }

  /** Gives the lock back; closing the session does so too. */
  async release(session: Session): Promise<void> {
    const key = lockKey(this.#options, 'owner')
    await session.query('release the lock', 'SELECT pg_advisory_unlock($1)', [key])
  }
}

/** What `Owner.check` does, for another process that was told name and epoch. */
export async function checkEpoch(
  session: Session,
  { schema, name }: Pick<OwnerOptions, 'schema' | 'name'>,
  epoch: bigint,
): Promise<void> {
  const row = await readRow(session, { schema, name }, 'FOR SHARE')
  if (row?.epoch !== String(epoch)) throw fenced(name, epoch, row)
}

function fenced(name: string, epoch: bigint, row: EpochRow | undefined): ForksnapError {
  const found = row === undefined ? 'its row is gone' : `now it is epoch ${row.epoch}`
  const message = `A newer owner or a reset has ended epoch ${epoch} of ${JSON.stringify(name)} (${found}); nothing was published`
  return new ForksnapError('ERR_FENCED', message)
}

async function readRow(
  session: Session,
  { schema, name }: Pick<OwnerOptions, 'schema' | 'name'>,
  locking: '' | 'FOR SHARE',
): Promise<EpochRow | undefined> {
  const text = `SELECT owner, epoch, reset_epoch FROM ${quoteTable(epochTable(schema))} WHERE name = $1 ${locking}`
  const { rows } = await session.query<EpochRow & Record<string, unknown>>('look at the epoch', text, [name])
  return rows[0]
}

/** The epochs as they are, without taking anything; both 1 if there was never an owner. */
export async function readEpochs(
  session: Session,
  owner: Pick<OwnerOptions, 'schema' | 'name'>,
): Promise<{ epoch: bigint; resetEpoch: bigint }> {
  const found = await tableExists(session, epochTable(owner.schema))
  const row = found ? await readRow(session, owner, '') : undefined
  return { epoch: BigInt(row?.epoch ?? 1), resetEpoch: BigInt(row?.reset_epoch ?? 1) }
}

export function epochTable(schema: string): TableName {
  return { schema, name: 'forksnap_epoch' }
}

const EPOCH_COLUMNS = 'name text PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL, reset_epoch bigint NOT NULL'

/** The first owner of all begins epoch 1, or the one after `above`. */
async function raise(
  session: Session,
  { schema, name }: OwnerOptions,
  token: string,
  { reset, above }: { readonly reset: boolean; readonly above: bigint },
): Promise<EpochRow> {
  const table = quoteTable(epochTable(schema))
  const text = `
    INSERT INTO ${table} AS e (name, owner, epoch, reset_epoch) VALUES ($1, $2, $4::bigint + 1, 1)
    ON CONFLICT (name) DO UPDATE SET owner = $2, epoch = greatest(e.epoch, $4::bigint) + 1,
      reset_epoch = CASE WHEN $3 THEN e.epoch + 1 ELSE e.reset_epoch END
    RETURNING owner, epoch, reset_epoch`
  const values = [name, token, reset, String(above)]
  const { rows } = await session.query<EpochRow & Record<string, unknown>>('begin an epoch', text, values)
  return rows[0]
}

/**
 * Marks a further session as its owner's, until it is closed, so that a takeover ends it too: one that was stopped between
 * its check of the epoch and its COMMIT would keep the epoch from being raised.
 */
export async function joinOwner(session: Session, options: Pick<OwnerOptions, 'schema' | 'name'>): Promise<void> {
  await session.query('join the owner', 'SELECT pg_advisory_lock_shared($1)', [lockKey(options, 'member')])
}

/** Advisory locks have numbers and belong to one database; the schema keeps equal names in it apart. */
function lockKey({ schema, name }: Pick<OwnerOptions, 'schema' | 'name'>, role: 'owner' | 'member'): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(['forksnap', role, schema, name]))
    .digest()
  return digest.readBigInt64BE(0).toString()
}

async function tryLock(session: Session, options: OwnerOptions): Promise<boolean> {
  const text = 'SELECT pg_try_advisory_lock($1) AS locked'
  const { rows } = await session.query<{ locked: boolean }>('take the lock', text, [lockKey(options, 'owner')])
  return rows[0].locked
}

/** The server may need a moment to see that the owner before this one has ended, hence the wait. */
async function waitForLock(session: Session, options: OwnerOptions): Promise<void> {
  const deadline = performance.now() + (options.lockWaitMs ?? LOCK_WAIT_MS)
  for (let attempt = 1; !(await tryLock(session, options)); attempt++) {
    if (performance.now() > deadline) throw await lockedError(session, options)
    await setTimeout(backOffMs(attempt, LOCK_BACK_OFF))
  }
}

/** Condition on a row `l` of pg_locks: another session holds one of the locks whose keys are in the parameter. */
function holds(parameter: string): string {
  return `l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32) | l.objid::bigint = ANY (${parameter})`
}

async function lockHolders(
  session: Session,
  options: OwnerOptions,
  roles: readonly ('owner' | 'member')[],
): Promise<Backend[]> {
  const keys = roles.map((role) => lockKey(options, role))
  const text = `
    SELECT a.pid, a.backend_start::text AS started
      FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE ${holds('$1')}`
  return (await session.query<Backend>('find the owner', text, [keys])).rows
}

async function lockedError(session: Session, options: OwnerOptions): Promise<ForksnapError> {
  const [holder] = await lockHolders(session, options, ['owner'])
  const who =
    holder === undefined ? 'another session' : `the session ${holder.pid} of the server, since ${holder.started}`
  const advice = 'stop its process first, or start with takeover: true if you know that it must not go on'
  return new ForksnapError('ERR_LOCKED', `${JSON.stringify(options.name)} is in use by ${who}; ${advice}`)
}

/**
 * Takes the lock from whoever holds it. Their connections are ended and the lock is waited for in one statement: an owner
 * that comes back over a new connection then finds somebody waiting before it, and later the epoch raised. Only one that is
 * faster than the statement gets between; it is ended in the next round.
 */
async function takeLock(session: Session, options: OwnerOptions): Promise<void> {
  for (let round = 1; !(await endOwnerAndLock(session, options)); round++) {
    if (round === TAKEOVER_ROUNDS_MAX) throw await lockedError(session, options)
  }
  for (const backend of await lockHolders(session, options, ['owner', 'member'])) await endBackend(session, backend)
}

/** False if somebody else has it after all. */
async function endOwnerAndLock(session: Session, options: OwnerOptions): Promise<boolean> {
  const doing = 'take the lock over'
  const key = lockKey(options, 'owner')
  // The offset keeps the planner from merging the two: first every holder is told to end, then comes the wait.
  const text = `
    SELECT pg_advisory_lock($1)
      FROM (SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l WHERE ${holds('$2')} OFFSET 0) ended`
  try {
    await session.transaction(doing, async () => {
      await session.query(doing, `SET LOCAL lock_timeout = ${TAKEOVER_WAIT_MS}`)
      await session.queryLong(doing, text, [key, [key]])
    })
    return true
  } catch (error) {
    if (isForksnapError(error) && error.errno === LOCK_NOT_AVAILABLE) return false
    throw error
  }
}
