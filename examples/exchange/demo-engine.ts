import type { OperationLog } from 'forksnap'
import { Engine } from './engine'
import type { Method, Operation, OperationOf, OperationResults } from './operations'

/**
 * An engine that appends each operation to a log before it applies it, in the order of the ids. Whoever proposes operations
 * waits for `ready()` before each, and answers its client once `durable` has resolved. A log that has failed refuses the
 * next operation before anything of it is applied.
 */
export class LoggedEngine extends Engine {
  private log: OperationLog | undefined
  /** Resolves when the operation that was applied last, and so each before it, is durable. */
  durable: Promise<void> = Promise.resolve()

  /** Resolves when the log has room for one more operation; rejects if it has failed. */
  async ready(): Promise<void> {
    await this.log?.ready()
  }

  /** From here on operations are logged; before, they are only applied, as recovery does. */
  logTo(log: OperationLog | undefined): void {
    this.log = log
  }

  override apply<M extends Method>(operation: OperationOf<M>): OperationResults[M]
  override apply(operation: Operation): OperationResults[Method]
  override apply(operation: Operation): OperationResults[Method] {
    const { id, time, method, params } = operation
    const appended = this.log?.append({ time, method, params })
    if (appended !== undefined) {
      if (appended.id !== id) throw new Error(`operation ${id} has id ${appended.id} in the log`)
      this.durable = appended.durable
    }
    return super.apply(operation)
  }
}
