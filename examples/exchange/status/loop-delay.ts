/**
 * Measures how late a timer is that is due every 10 ms: for so long the event loop did not turn. A hundred calls a second
 * cost nothing that could be measured, and see every gap that a client could feel.
 */
const TICK_MS = 10
/** The ring keeps the longest delay of each of the last 600 intervals of 200 ms: two minutes. */
const SAMPLE_MS = 200
const SAMPLES_MAX = 600

/** Samples side by side, oldest first. */
export interface DelaySamples {
  /** How many samples there have ever been: the number of the one after the last. */
  readonly end: number
  /** When each sample ended, in milliseconds since the epoch. */
  readonly times: number[]
  /** The longest delay within each, in milliseconds. */
  readonly delays: number[]
}

export class LoopDelay {
  private readonly times = new Float64Array(SAMPLES_MAX)
  private readonly delays = new Float64Array(SAMPLES_MAX)
  private readonly timer: NodeJS.Timeout
  private end = 0
  private longestMs = 0
  private sampleEndsMs: number
  private lastMs: number

  /** `onDelay` is told every single delay, in milliseconds. */
  constructor(private readonly onDelay: (ms: number) => void = () => undefined) {
    this.lastMs = performance.now()
    this.sampleEndsMs = this.lastMs + SAMPLE_MS
    this.timer = setInterval(() => this.tick(performance.now()), TICK_MS).unref()
  }

  /** The samples with numbers from `start` on that the ring still has. */
  since(start: number): DelaySamples {
    const first = Math.min(Math.max(start, this.end - SAMPLES_MAX, 0), this.end)
    const places = Array.from({ length: this.end - first }, (_, i) => (first + i) % SAMPLES_MAX)
    const times = places.map((place) => this.times[place])
    // Ten microseconds are more than a timer knows, and shorter to send.
    const delays = places.map((place) => Math.round(this.delays[place] * 100) / 100)
    return { end: this.end, times, delays }
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private tick(nowMs: number): void {
    const delayMs = Math.max(0, nowMs - this.lastMs - TICK_MS)
    this.lastMs = nowMs
    this.longestMs = Math.max(this.longestMs, delayMs)
    this.onDelay(delayMs)
    if (nowMs >= this.sampleEndsMs) this.finishSample(nowMs)
  }

  private finishSample(nowMs: number): void {
    const place = this.end++ % SAMPLES_MAX
    this.times[place] = Date.now()
    this.delays[place] = this.longestMs
    this.longestMs = 0
    this.sampleEndsMs = nowMs + SAMPLE_MS
  }
}
