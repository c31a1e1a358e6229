import { join } from 'node:path'
import type { SyncStep } from '../../src/failpoint'
import { damageSlice } from './damage'
import type { Draw } from './draw'
import { type Armed, type Fate, ForgetfulDisk, type Kinds } from './forgetful-disk'
import type { Line } from './lines'
import { EngineModel } from './model'
import { PartsModel } from './parts-model'
import { type Program, Run } from './run'

/** So many steps, or, for the parts, the names of the steps with commas between them. */
export type Work = number | string

export interface LifeOptions {
  readonly program: Program
  readonly draw: Draw
  readonly skip: SyncStep | undefined
  /** When the log syncs. Default: drawn. */
  readonly policy?: string
}

/** What happened. */
export interface Counts {
  /** Losses of power: while the program ran, while it started, after it had done its work or closed. */
  cuts: number
  /** SIGKILLs, the disk going on. */
  kills: number
  recoveries: number
  operations: number
  acknowledged: number
  saved: number
}

/** How a round ends. */
type Ending = 'cut' | 'cut at start' | 'cut after work' | 'kill' | 'close'
type Endings = readonly [Ending, ...Ending[]]

const ENDINGS: Endings = ['cut', 'cut', 'cut', 'cut', 'cut at start', 'kill', 'kill', 'close']
/** What was written and not synced when a program was killed is what its next start reads. */
const ENDINGS_AFTER_KILL: Endings = ['cut', 'cut at start', 'cut after work', 'cut after work']
const KINDS: readonly [Kinds, ...Kinds[]] = ['wsn', 'w', 's', 'n', 'n']
const POLICIES: readonly [string, ...string[]] = ['always', 'always', 'always', 'everysec', 'no']
const REQUESTS_MAX = 600
const CHANGES_OF_NAMES_MAX = 40
const REQUESTS_AFTER_CHANGE_MAX = 8
const REQUESTS_OF_A_START_MAX = 60
const STEPS_MAX = 60
const STEPS_BEFORE_FAILPOINT_MAX = 200
const STEPS_AFTER_KILL_MAX = 20
const DAMAGES_PERCENT = 30

/** One disk, from empty on, and the runs of a program on it. Rejects with a `Loss` when something was lost. */
export class Life {
  readonly #draw: Draw
  readonly #disk: ForgetfulDisk
  readonly #program: Program
  readonly #env: NodeJS.ProcessEnv
  readonly #counts: Counts
  readonly #policy: string
  readonly #model: EngineModel | PartsModel
  readonly #endings: Ending[] = []

  private constructor(disk: ForgetfulDisk, { program, draw, skip, policy }: LifeOptions, counts: Counts) {
    this.#draw = draw
    this.#disk = disk
    this.#program = program
    this.#env = skip === undefined ? {} : { FORKSNAP_SKIP_SYNC: skip }
    this.#counts = counts
    this.#policy = policy ?? draw.one(POLICIES)
    const always = this.#policy === 'always'
    this.#model = program === 'engine' ? new EngineModel(always) : new PartsModel(always)
  }

  static async begin(options: LifeOptions, counts: Counts): Promise<Life> {
    return new Life(await ForgetfulDisk.start(), options, counts)
  }

  /** How the rounds ended, for those who look for the cause of a loss. */
  get story(): string {
    return `fsync ${this.#policy}, ${this.#endings.join(', ')}`
  }

  async end(): Promise<void> {
    await this.#disk.stop()
  }

  /** A start, some work, and an end of a random kind. */
  async round(): Promise<void> {
    if (this.#draw.chance(DAMAGES_PERCENT)) this.damage()
    const ending = this.#draw.one(this.#endings.at(-1) === 'kill' ? ENDINGS_AFTER_KILL : ENDINGS)
    this.#endings.push(ending)
    switch (ending) {
      case 'cut':
        return this.#cut()
      case 'cut at start':
        return this.#cutAtStart()
      case 'cut after work':
        return this.workAndLose(this.#draw.whole(0, STEPS_AFTER_KILL_MAX))
      case 'kill':
        return this.#kill()
      case 'close':
        await this.work(this.#draw.scale(STEPS_MAX))
        return this.lose('any', 'any')
    }
  }

  /** Looks at what is left. */
  verify(): Promise<void> {
    return this.work(0)
  }

  /** Some work, all of it finished and closed. */
  async work(work: Work): Promise<void> {
    const run = this.#run([work, 'close'])
    await run.ended
    run.check(false)
  }

  /** Work until a failpoint kills the program; false if it does not come there. */
  async killAt(failpoint: string): Promise<boolean> {
    const run = this.#run([STEPS_BEFORE_FAILPOINT_MAX, 'close'], { FORKSNAP_FAILPOINT: failpoint })
    run.mayBeKilled()
    await run.ended
    run.check(false)
    return run.wasKilled
  }

  /** Some work, and then the power goes. */
  async workAndLose(work: Work, names: Fate = 'any', data: Fate = 'any'): Promise<void> {
    const run = this.#run([work, 'stay'])
    await run.done
    await this.#disk.cut(this.#draw.seed(), names, data)
    run.kill()
    await run.ended
    run.check(false)
    await this.#on()
  }

  /** The power goes, no program running. */
  async lose(names: Fate, data: Fate): Promise<void> {
    await this.#disk.cut(this.#draw.seed(), names, data)
    await this.#on()
  }

  /** Damages a published slice, if the program is one that looks for damage. */
  damage(): void {
    if (!(this.#model instanceof PartsModel)) return
    const sliceId = damageSlice(join(this.#disk.path, 'data', 'slices'), this.#draw)
    if (sliceId !== undefined) this.#model.damage(sliceId)
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
    const { count, more } = this.#moment(kinds, countMax)
    return this.#disk.arm(count, kinds, more, this.#draw.seed())
  }

  /** Much of what can go wrong is between a change of names and what follows it, so half of those look there. */
  #moment(kinds: Kinds, countMax: number): { count: number; more: number } {
    if (kinds !== 'n') return { count: this.#draw.scale(countMax), more: 0 }
    const more = this.#draw.chance(50) ? this.#draw.scale(REQUESTS_AFTER_CHANGE_MAX) : 0
    return { count: this.#draw.scale(CHANGES_OF_NAMES_MAX), more }
  }

  /** The program is killed when the power goes, or ends by itself for want of a disk. */
  async #lose(run: Run, armed: Armed): Promise<void> {
    const lingers = this.#draw.chance(50)
    const cut = await this.#until(run, armed)
    if (!lingers) run.kill()
    await run.ended
    run.check(cut)
    await this.#on()
  }

  /** What was written and not synced is still there for the next start, but not yet for the next loss of power. */
  async #kill(): Promise<void> {
    const run = this.#run()
    await run.recovered
    const kinds = this.#draw.one(KINDS)
    const { count, more } = this.#moment(kinds, REQUESTS_MAX)
    const held = await this.#until(run, await this.#disk.hold(count, kinds, more))
    run.kill()
    if (held) await this.#disk.drop()
    await run.ended
    run.check(false)
    this.#counts.kills++
  }

  async #on(): Promise<void> {
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

  /** Without work to do it works until its disk is gone. */
  #run(work: readonly [work: Work, then: 'close' | 'stay'] | [] = [], env: NodeJS.ProcessEnv = {}): Run {
    const args = [this.#disk.path, this.#draw.seed(), this.#policy, ...work].map(String)
    return new Run(this.#program, args, { ...this.#env, ...env }, (line) => {
      this.#count(line)
      this.#model.hear(line)
    })
  }

  #count(line: Line): void {
    if (line.tell === 'recovered' || line.tell === 'started') this.#counts.recoveries++
    if (line.tell === 'operation') this.#counts.operations++
    if (line.tell === 'durable') this.#counts.acknowledged++
    if (line.tell === 'saved') this.#counts.saved++
  }
}
