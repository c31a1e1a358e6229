import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Failpoint } from '../../src/failpoint'
import { Draw } from '../power/draw'
import type { EngineSettings, Line } from './lines'
import { Loss, Model } from './model'
import type { Place, Places } from './places'
import { afterLines, runEngine, wasPassed, type RunEnd, type RunOptions } from './run'

/** What happened in the rounds so far. */
export interface CrashReport {
  /** Engines that were ended by SIGKILL, in whatever way. */
  rounds: number
  /** Of them those that a failpoint ended. */
  atFailpoints: number
  recoveries: number
  operations: number
  acknowledged: number
  saved: number
}

const noneYet = (): CrashReport => ({
  rounds: 0,
  atFailpoints: 0,
  recoveries: 0,
  operations: 0,
  acknowledged: 0,
  saved: 0,
})

/** A life begins in an empty place, and goes through so many rounds at most. */
const ROUNDS_OF_A_LIFE_MAX = 12
const LINES_MAX = 150
const OPERATIONS = 30
const SAVES = 3
const NTH_MAX = 6

/** One place, from empty on, and the model of what its engines have told. */
class Life {
  readonly #model = new Model()
  #story: string[] = []

  constructor(
    readonly place: Place,
    private readonly draw: Draw,
    private readonly report: CrashReport,
  ) {}

  /** An engine that is killed at a random moment. */
  async kill(): Promise<void> {
    const killAfterLines = this.draw.scale(LINES_MAX)
    await this.#crash(`killed after ${killAfterLines} lines`, {}, { killAt: afterLines(killAfterLines) })
  }

  /** An engine that ends when it comes to a failpoint for the nth time, or closes without having come there. */
  async comeTo(failpoint: string, trace?: string): Promise<RunEnd> {
    const settings = await this.#prepare(failpoint)
    const options = trace === undefined ? { failpoint } : { failpoint, trace }
    return this.#crash(failpoint, { operations: OPERATIONS, saves: SAVES, ...settings }, options)
  }

  /** Looks at what the last round has left. */
  async verify(): Promise<void> {
    await this.#crash('closed', { operations: 0 })
  }

  /** Some failpoints are only on the way of a start or an engine with something special to do. */
  async #prepare(failpoint: string): Promise<Partial<EngineSettings>> {
    if (/epoch|reset/.test(failpoint)) return { reset: 'after recovery' }
    if (failpoint.includes('withdraw')) return { failingSaves: 1 }
    if (!/cut|broken|start|prune|remove|retention/.test(failpoint)) return {}
    if (failpoint.includes('command.start.rename')) {
      const unfinished = { failpoint: 'snapshot.log-sync.before' }
      await this.#crash('left unfinished', { operations: OPERATIONS, saves: SAVES }, unfinished)
      return {}
    }
    await this.#crash('closed', { operations: OPERATIONS, saves: SAVES })
    if (failpoint.includes('cut')) this.place.tearLog(this.draw)
    if (failpoint.includes('broken')) {
      this.#model.excuses = { damaged: this.place.damageNewestSlice(this.draw) }
    }
    return {}
  }

  async #crash(
    what: string,
    settings: Partial<EngineSettings>,
    options: Omit<RunOptions, 'program' | 'settings'> = {},
  ): Promise<RunEnd> {
    this.#story.push(what)
    try {
      const { program, name } = this.place
      const all = { place: name, seed: this.draw.seed(), ...settings }
      const end = await runEngine({ program, settings: all, ...options }, (line) => this.#hear(line))
      if (end === 'killed' || end === 'failpoint') this.report.rounds++
      if (end === 'failpoint') this.report.atFailpoints++
      if (end === 'refused') await this.#crash('reset once more', { operations: 0, reset: 'finish' })
      return end
    } catch (error) {
      if (error instanceof Loss) error.message += ` (${this.#story.join(', ')})`
      throw error
    }
  }

  #hear(line: Line): void {
    if (line.tell === 'recovered') this.report.recoveries++
    if (line.tell === 'operation') this.report.operations++
    if (line.tell === 'acknowledged') this.report.acknowledged++
    if (line.tell === 'saved') this.report.saved++
    this.#model.hear(line)
    // The damaged slice is aside once somebody has recovered without it.
    if (line.tell === 'recovered') this.#model.excuses = { damaged: false }
  }
}

async function inLife<T>(
  places: Places,
  draw: Draw,
  report: CrashReport,
  work: (life: Life) => Promise<T>,
): Promise<T> {
  const place = await places.make()
  try {
    const life = new Life(place, draw, report)
    const result = await work(life)
    await life.verify()
    return result
  } finally {
    await place.end()
  }
}

/** Crashes engines so many times, at random moments and at random failpoints. Throws a `Loss` with its whole story. */
export async function runRounds(places: Places, rounds: number, seed: number): Promise<CrashReport> {
  const draw = new Draw(seed)
  const report = noneYet()
  while (report.rounds < rounds) {
    await inLife(places, draw, report, async (life) => {
      const enough = Math.min(rounds, report.rounds + draw.whole(1, ROUNDS_OF_A_LIFE_MAX))
      while (report.rounds < enough) {
        if (draw.chance(60)) await life.kill()
        else await life.comeTo(`${draw.one(places.failpoints as [Failpoint])}:${draw.scale(NTH_MAX)}`)
      }
    })
  }
  return report
}

/** Ends an engine at a failpoint when it comes there first, in a life of its own; false if it never came there. */
export async function runToFailpoint(places: Places, failpoint: Failpoint, seed: number): Promise<boolean> {
  const trace = join(tmpdir(), `forksnap-crash-trace-${process.pid}-${seed}`)
  try {
    return await inLife(places, new Draw(seed), noneYet(), async (life) => {
      await life.comeTo(failpoint, trace)
      return wasPassed(trace, failpoint)
    })
  } finally {
    rmSync(trace, { force: true })
  }
}
