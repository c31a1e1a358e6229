import type { Line } from './lines'
import { Loss, type Model } from './model'

type Started = Extract<Line, { tell: 'started' }>

/** Knows from what the parts told which states they may have after a loss of power. */
export class PartsModel implements Model {
  readonly #always: boolean
  readonly #log = { acknowledged: 0, last: 0, resetting: undefined as number | undefined }
  readonly #epoch = { begun: 1, beginning: undefined as number | undefined }
  readonly #slices = { saved: 0, saving: 0 }
  #givenId = 0
  /** Ids of slices that were removed or set aside. */
  readonly #gone = new Set<number>()
  /** Ids of slices that somebody has damaged and no start has told of. */
  readonly #damaged = new Set<number>()

  constructor(always: boolean) {
    this.#always = always
  }

  /** A published slice is damaged now, so that an older one, or none, may be the newest good one. */
  damage(sliceId: number): void {
    this.#damaged.add(sliceId)
    this.#slices.saved = 0
  }

  hear(line: Line): void {
    switch (line.tell) {
      case 'started':
        this.#checkLog(line.lastId)
        this.#checkEpoch(line.epoch)
        return this.#checkSlices(line)
      case 'operation':
        this.#log.last = line.id
        return
      case 'durable':
        if (this.#always) this.#log.acknowledged = line.id
        return
      case 'resetting':
        this.#log.resetting = line.id
        return
      case 'reset':
        return this.#resetLog(line.id)
      case 'beginning':
        this.#epoch.beginning = line.epoch
        return
      case 'begun':
        return this.#beginEpoch(line.epoch)
      case 'saving':
        this.#slices.saving = line.position
        return
      case 'saved':
        this.#slices.saved = line.position
        return
      case 'given':
        if (line.sliceId <= this.#givenId) throw new Loss(`the id ${line.sliceId} is given once more`)
        this.#givenId = line.sliceId
        return
      case 'removed':
        for (const sliceId of line.sliceIds) this.#gone.add(sliceId)
        return
      case 'closed':
        this.#log.acknowledged = this.#log.last
        return
      default:
    }
  }

  #resetLog(id: number): void {
    Object.assign(this.#log, { acknowledged: id, last: id, resetting: undefined })
  }

  #beginEpoch(epoch: number): void {
    Object.assign(this.#epoch, { begun: epoch, beginning: undefined })
    Object.assign(this.#slices, { saved: 0, saving: 0 })
  }

  #checkLog(found: number): void {
    const { acknowledged, last, resetting } = this.#log
    const isReset = found === resetting
    if (!isReset && (found < acknowledged || found > last)) {
      const or = resetting === undefined ? '' : `, or ${resetting} after a reset`
      throw new Loss(`the log ends at ${found}, not from ${acknowledged} to ${last}${or}`)
    }
    this.#resetLog(found)
  }

  #checkEpoch(found: number): void {
    const { begun, beginning } = this.#epoch
    if (found !== begun && found !== beginning) throw new Loss(`it is epoch ${found}, epoch ${begun} was begun`)
    if (found === beginning) this.#beginEpoch(found)
    this.#epoch.beginning = undefined
  }

  #checkSlices({ position, sliceIds, damaged }: Started): void {
    const { saved, saving } = this.#slices
    if (position < saved || position > saving) {
      throw new Loss(`the newest slice is at ${position}, not from ${saved} to ${saving}`)
    }
    const wrong = damaged.filter((sliceId) => !this.#damaged.has(sliceId))
    if (wrong.length > 0) throw new Loss(`published slices are damaged: ${wrong.join()}`)
    const back = [...sliceIds, ...damaged].filter((sliceId) => this.#gone.has(sliceId))
    if (back.length > 0) throw new Loss(`slices that were removed or set aside are back: ${back.join()}`)
    for (const sliceId of damaged) this.#gone.add(sliceId)
    Object.assign(this.#slices, { saved: position, saving: position })
  }
}
