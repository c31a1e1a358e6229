import { isForksnapError } from '../../src/errors'
import type { OperationLog } from '../../src/oplog/oplog'
import { recover } from '../../src/recover'
import { Snapshotter } from '../../src/snapshotter'
import type { SliceStore } from '../../src/store/store'
import { Draw } from '../power/draw'
import { type Operation, State } from '../power/state'
import { type EngineSettings, tell } from './lines'

/** What every engine here keeps: two slices, so that retention and pruning have work. */
export const KEEP = { count: 2 }

const CELLS = 20
const VALUE_BYTES_MAX = 200
const OPERATIONS_BETWEEN_SAVES_MAX = 20
const APPENDERS_MAX = 5

export interface Persistence {
  readonly store: SliceStore
  readonly log: OperationLog
}

/**
 * The program of an engine for crash tests: it recovers, then appends, applies and acknowledges operations and saves at
 * random, until it is killed or has done enough. Its only argument is an EngineSettings as JSON.
 */
export function runEngine(open: (place: string) => Persistence): void {
  const settings = JSON.parse(process.argv[2] ?? '{}') as EngineSettings
  void new Engine(settings, open(settings.place)).run()
}

class Engine {
  readonly #settings: EngineSettings
  readonly #draw: Draw
  readonly #store: SliceStore
  readonly #log: OperationLog
  readonly #snapshotter: Snapshotter<{ position: bigint; chain: string }>
  #state = new State()
  #saving: Promise<void> | undefined
  #nextSaveAt = 0
  /** Operations begun and saves ended, in whatever way. */
  #begun = 0
  #saves = 0

  constructor(settings: EngineSettings, { store, log }: Persistence) {
    this.#settings = settings
    this.#draw = new Draw(settings.seed)
    this.#store = store
    this.#log = log
    this.#snapshotter = new Snapshotter({
      store,
      log,
      meta: () => ({ position: BigInt(this.#state.position), chain: this.#state.chain }),
      write: (slice) => {
        if (this.#saves < (settings.failingSaves ?? 0)) throw new Error('a child that fails')
        const cells = slice.table('cell', [
          ['cell', 'int4'],
          ['value', 'text'],
        ])
        for (const [cell, value] of this.#state.cells) cells.row(cell, value)
      },
      intervalMs: 0,
      retry: { attempts: 0 },
      stopWritesOnSaveError: false,
      warmUp: false,
    })
    this.#snapshotter.on('forked', () => tell({ tell: 'forked' }))
  }

  async run(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      if (!isForksnapError(error)) throw error
      tell({ tell: 'refused', code: error.code, message: error.message })
      return process.exit(0)
    }
    const appenders = this.#draw.whole(1, APPENDERS_MAX)
    await Promise.all(Array.from({ length: appenders }, () => this.#appendOneAfterTheOther()))
    await this.#saving
    await this.#snapshotter.close()
    await this.#log.close()
    tell({ tell: 'closed' })
  }

  async #start(): Promise<void> {
    if (this.#settings.reset === 'finish') await this.#finishReset()
    const state = this.#state
    const { slice, passedOver } = await recover({
      store: this.#store,
      log: this.#log,
      restore: { cell: ([cell, value]) => state.cells.set(cell as number, value as string) },
      check: ({ meta }) => state.restore(Number(meta.position), meta.chain as string),
      replay: ({ id, params }) => state.apply(Number(id), params as unknown as Operation),
    })
    const slicePosition = slice === undefined ? -1 : Number(slice.position)
    const found = { position: state.position, digest: state.digest(), slicePosition, passedOver: passedOver.length }
    tell({ tell: 'recovered', ...found })
    await this.#snapshotter.start()
    if (this.#settings.reset === 'after recovery') await this.#reset()
  }

  /** Slices of before no longer count, then the log of before goes: in between, recover() may refuse with ERR_LOG_GAP. */
  async #reset(): Promise<void> {
    tell({ tell: 'resetting' })
    await this.#snapshotter.reset()
    await this.#log.reset()
    this.#state = new State()
    tell({ tell: 'reset' })
  }

  async #finishReset(): Promise<void> {
    await this.#store.start()
    await this.#store.beginEpoch()
    await this.#log.start()
    await this.#log.reset()
    tell({ tell: 'reset' })
  }

  async #appendOneAfterTheOther(): Promise<void> {
    const { seed, operations = Infinity, saves = 0 } = this.#settings
    while (this.#begun++ < operations || this.#saves < saves) {
      const id = this.#state.position + 1
      const value = `${seed}-${id}-`.padEnd(this.#draw.whole(1, VALUE_BYTES_MAX), 'x')
      const operation = { cell: this.#draw.whole(1, CELLS), value }
      if (this.#log.failure !== undefined) throw this.#log.failure
      tell({ tell: 'operation', id, ...operation })
      const { id: given, durable } = this.#log.append({ method: 'put', params: operation })
      if (given !== BigInt(id)) throw new Error(`operation ${id} got the id ${given}`)
      this.#state.apply(id, operation)
      await durable
      tell({ tell: 'acknowledged', id })
      if (this.#state.position >= this.#nextSaveAt) this.#saving ??= this.#save()
    }
  }

  async #save(): Promise<void> {
    try {
      const { position } = await this.#snapshotter.save()
      tell({ tell: 'saved', position: Number(position) })
    } catch (error) {
      if (!isForksnapError(error)) throw error
      tell({ tell: 'not saved', code: error.code })
    }
    this.#saving = undefined
    this.#saves++
    this.#nextSaveAt = this.#state.position + this.#draw.whole(1, OPERATIONS_BETWEEN_SAVES_MAX)
  }
}
