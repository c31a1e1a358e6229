import type { Account } from './account'
import { registerAccounts } from './accounts'
import { compareSums, sumBalances } from './audit'
import { LoadClients } from './client'
import { LoadFlow, type Call } from './flow'
import { checkOptions, type LoadOptions } from './options'
import { pace, type PaceReport } from './pace'
import { SampleRecorder, type Samples } from './samples'
import { Violations, type ViolationReport } from './violations'

export interface LoadReport extends PaceReport {
  readonly options: LoadOptions
  /** When the clock was started, in milliseconds since the epoch; registering and prefilling are over by then. */
  readonly startedAt: number
  readonly answered: number
  /** Requests that were sent and never answered: a violation each. */
  readonly unanswered: number
  /** How often each call ended how, such as `OrderPut OK`. */
  readonly endings: Readonly<Record<string, number>>
  readonly violations: ViolationReport
  readonly samples: Samples
  /** Time of processors that the generator used while the clock ran. */
  readonly cpuMs: number
}

export interface LoadSettings extends Partial<LoadOptions> {
  /** Ends the load early; the report is of what was until then. */
  readonly signal?: AbortSignal
  /** Users and resting orders are there: the clock starts. */
  readonly onStart?: () => void
}

/** Requests in flight while the books are filled. */
const PREFILL_IN_FLIGHT = 200

/** Loads a server and checks every answer. Rejects if it cannot be reached or refuses the users; all else is reported. */
export async function runLoad({ signal, onStart, ...given }: LoadSettings = {}): Promise<LoadReport> {
  const options = checkOptions(given)
  const clients = new LoadClients(options)
  try {
    await clients.connect()
    const accounts = await registerAccounts(clients, options.users)
    const load = new Load(options, clients, accounts)
    await load.prefill(signal)
    const users = Math.max(...accounts.map(({ id }) => id))
    const before = options.audit ? await sumBalances(clients, users) : undefined
    onStart?.()
    const report = await load.run(signal)
    // What may still be on its way would be missing from the sums.
    if (before === undefined || report.unanswered > 0) return report
    return await sumBalances(clients, users).then(
      (after) => load.audited(report, before, after),
      (error: Error) => load.unaudited(report, error),
    )
  } finally {
    clients.close()
  }
}

class Load {
  private readonly violations = new Violations()
  private readonly recorder = new SampleRecorder()
  private readonly endings: Record<string, number> = {}
  private readonly flow: LoadFlow
  private answered = 0

  constructor(
    private readonly options: LoadOptions,
    private readonly clients: LoadClients,
    private readonly accounts: readonly Account[],
  ) {
    const { mix, seed } = options
    // Beyond those of the starting deposits, which are users' ids.
    const businessId = 2 ** 32 + seed
    this.flow = new LoadFlow(accounts, mix, seed, businessId)
  }

  /** Puts the resting orders, the accounts in turn. */
  async prefill(signal?: AbortSignal): Promise<void> {
    const { orders } = this.options
    let sent = 0
    const sendNext = async (): Promise<void> => {
      while (sent < orders && signal?.aborted !== true) {
        const call = this.flow.resting(this.accounts[sent++ % this.accounts.length])
        await new Promise<void>((resolve) => this.send(call, resolve))
      }
    }
    await Promise.all(Array.from({ length: PREFILL_IN_FLIGHT }, sendNext))
  }

  async run(signal?: AbortSignal): Promise<LoadReport> {
    const { rate, seconds, inFlight } = this.options
    const startedAt = Date.now()
    const answeredBefore = this.answered
    const cpuBefore = process.cpuUsage()
    const send = (intendedMs: number, done: () => void): void => {
      const sentMs = performance.now()
      this.send(this.flow.next(), () => {
        this.recorder.add(intendedMs, sentMs, performance.now())
        done()
      })
    }
    const paced = await pace({ rate, seconds, inFlight, send, ...(signal === undefined ? {} : { signal }) })
    const { user, system } = process.cpuUsage(cpuBefore)
    const cpuMs = (user + system) / 1000
    const answered = this.answered - answeredBefore
    const unanswered = paced.sent - answered
    if (unanswered > 0) this.violations.add(`${unanswered} requests were never answered`)
    const { endings, options } = this
    const { samples } = this.recorder
    const violations = this.violations.report
    return { options, startedAt, ...paced, answered, unanswered, endings, violations, samples, cpuMs }
  }

  audited(report: LoadReport, before: Map<string, bigint>, after: Map<string, bigint>): LoadReport {
    for (const wrong of compareSums(before, after, this.flow.deposited)) this.violations.add(wrong)
    return { ...report, violations: this.violations.report }
  }

  /** The server did not answer any more: what it did until then is to be told all the same. */
  unaudited(report: LoadReport, { message }: Error): LoadReport {
    this.violations.add(`the sums could not be compared: ${message}`)
    return { ...report, violations: this.violations.report }
  }

  private send({ connection, rpc, request, settle }: Call, done: () => void): void {
    this.clients.send(connection, rpc, request, (outcome) => {
      this.answered++
      const ending = `${rpc} ${outcome.status}`
      this.endings[ending] = (this.endings[ending] ?? 0) + 1
      const wrong = settle(outcome)
      if (wrong !== undefined) this.violations.add(wrong)
      done()
    })
  }
}
