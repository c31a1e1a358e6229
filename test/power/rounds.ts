import type { SyncStep } from '../../src/failpoint'
import { Draw } from './draw'
import { type Armed, ForgetfulDisk, type Kinds } from './forgetful-disk'
import type { Line } from './lines'
import { Loss, Model } from './model'
import { Run } from './run'

export interface RoundsOptions {
  readonly rounds: number
  /** Rounds of the same seed begin alike; when the engine's requests come, the system's scheduler decides too. */
  readonly seed: number
  /** The step whose syncs are left out, see src/failpoint.ts. */
  readonly skip?: SyncStep
  /** Told after each round. */
  onRound?(done: RoundsReport): void
}

/** What happened in the rounds so far. */
export interface RoundsReport {
  readonly rounds: number
  /** Losses of power: while the engine ran, while it recovered, after it had closed. */
  readonly cuts: number
  /** SIGKILLs in the middle of a request, the disk going on. */
  readonly kills: number
  readonly recoveries: number
  readonly operations: number
  readonly acknowledged: number
  readonly saved: number
  /** What was lost, and the rounds end with it. */
  readonly loss?: string
}

/** How a round ends. */
type Ending = 'cut' | 'cut at start' | 'kill' | 'close'

const ENDINGS: readonly [Ending, ...Ending[]] = ['cut', 'cut', 'cut', 'cut', 'cut at start', 'kill', 'kill', 'close']
const KINDS: readonly [Kinds, ...Kinds[]] = ['wsn', 'w', 's', 'n', 'sn']
/** A new disk and an empty directory come after so many rounds at most. */
const ROUNDS_OF_A_LIFE_MAX = 8
const REQUESTS_MAX = 400
const CHANGES_OF_NAMES_MAX = 40
const REQUESTS_OF_A_START_MAX = 60
const OPERATIONS_BEFORE_CLOSE_MAX = 60

/**
 * Lets an engine run on a disk that forgets, cuts the power at random moments, and compares what is recovered with what
 * the engine had acknowledged.
 */
export async function runRounds(options: RoundsOptions): Promise<RoundsReport> {
  const draw = new Draw(options.seed)
  const counts = { rounds: 0, cuts: 0, kills: 0, recoveries: 0, operations: 0, acknowledged: 0, saved: 0 }
  while (counts.rounds < options.rounds) {
    const life = await Life.begin(draw, options.skip, counts)
    try {
      for (let left = draw.whole(1, ROUNDS_OF_A_LIFE_MAX); left > 0 && counts.rounds < options.rounds; left--) {
        await life.round()
        options.onRound?.({ ...counts })
      }
      await life.verify()
    } catch (error) {
      if (!(error instanceof Loss)) throw error
      return { ...counts, loss: `${error.message} (seed ${options.seed}, ${life.story})` }
    } finally {
      await life.end()
    }
  }
  return { ...counts }
}

type Counts = { -readonly [K in keyof Omit<RoundsReport, 'loss'>]: number }

/** One disk, from empty on. */
class Life {
  readonly #draw: Draw
  readonly #disk: ForgetfulDisk
  readonly #env: NodeJS.ProcessEnv
  readonly #counts: Counts
  readonly #policy: string
  readonly #model: Model
  readonly #endings: string[] = []

  private constructor(draw: Draw, disk: ForgetfulDisk, env: NodeJS.ProcessEnv, counts: Counts) {
    this.#draw = draw
    this.#disk = disk
    this.#env = env
    this.#counts = counts
    this.#policy = draw.one(['always', 'always', 'always', 'everysec', 'no'])
    this.#model = new Model(this.#policy === 'always')
  }

  static async begin(draw: Draw, skip: SyncStep | undefined, counts: Counts): Promise<Life> {
    const env = skip === undefined ? {} : { FORKSNAP_SKIP_SYNC: skip }
    return new Life(draw, await ForgetfulDisk.start(), env, counts)
  }

  /** How the rounds of this life ended, for those who look for the cause of a loss. */
  get story(): string {
    return `fsync ${this.#policy}, ${this.#endings.join(', ')}`
  }

  async end(): Promise<void> {
    await this.#disk.stop()
  }

  async round(): Promise<void> {
    const ending = this.#draw.one(ENDINGS)
    this.#endings.push(ending)
    this.#counts.rounds++
    switch (ending) {
      case 'cut':
        return this.#cut()
      case 'cut at start':
        return this.#cutAtStart()
      case 'kill':
        return this.#kill()
      case 'close':
        return this.#close()
    }
  }

  /** Looks at what the last round has left. */
  async verify(): Promise<void> {
    const run = this.#run(0)
    await run.ended
    run.check(false)
  }

  async #cut(): Promise<void> {
    const run = this.#run()
    await run.recovered
    await this.#lose(run, await this.#armCut(this.#draw.one(KINDS), REQUESTS_MAX))
  }

  async #cutAtStart(): Promise<void> {
    const armed = await this.#armCut('wsn', REQUESTS_OF_A_START_MAX)
    await this.#lose(this.#run(), armed)
  }

  #armCut(kinds: Kinds, countMax: number): Promise<Armed> {
    const count = this.#draw.scale(kinds === 'n' ? CHANGES_OF_NAMES_MAX : countMax)
    return this.#disk.arm(count, kinds, this.#draw.seed())
  }

  /** The engine is killed when the power goes, or ends by itself for want of a log. */
  async #lose(run: Run, armed: Armed): Promise<void> {
    const lingers = this.#draw.chance(50)
    const cut = await this.#until(run, armed)
    if (!lingers) run.kill()
    await run.ended
    run.check(cut)
    await this.#disk.on()
    this.#counts.cuts++
  }

  /** What was written and not synced is still there for the next start, but not yet for the next loss of power. */
  async #kill(): Promise<void> {
    const run = this.#run()
    await run.recovered
    const kinds = this.#draw.one(KINDS)
    const count = this.#draw.scale(kinds === 'n' ? CHANGES_OF_NAMES_MAX : REQUESTS_MAX)
    const held = await this.#until(run, await this.#disk.hold(count, kinds))
    run.kill()
    if (held) await this.#disk.drop()
    await run.ended
    run.check(false)
    this.#counts.kills++
  }

  async #close(): Promise<void> {
    const run = this.#run(this.#draw.scale(OPERATIONS_BEFORE_CLOSE_MAX))
    await run.ended
    run.check(false)
    await this.#disk.cut(this.#draw.seed())
    await this.#disk.on()
    this.#counts.cuts++
  }

  /** Waits for what is armed; false if the run has ended without. */
  async #until(run: Run, { happened }: Armed): Promise<boolean> {
    let did = false
    await Promise.race([happened.then(() => (did = true)), run.ended])
    await this.#disk.disarm()
    return did
  }

  #run(operations?: number): Run {
    const args = [this.#disk.path, String(this.#draw.seed()), this.#policy]
    if (operations !== undefined) args.push(String(operations))
    return new Run(args, this.#env, (line) => {
      this.#count(line)
      this.#model.hear(line)
    })
  }

  #count(line: Line): void {
    if (line.tell === 'recovered') this.#counts.recoveries++
    if (line.tell === 'operation') this.#counts.operations++
    if (line.tell === 'durable') this.#counts.acknowledged++
    if (line.tell === 'saved') this.#counts.saved++
  }
}
