import type { OperationLog } from 'forksnap'
import { Engine } from './engine'
import type { Method, Operation, OperationOf, OperationResults } from './operations'

/** An engine that appends each operation to a log before it applies it, in the order of the ids. */
export class LoggedEngine extends Engine {
  private log: OperationLog | undefined

  /** From here on operations are logged; before, they are only applied, as recovery does. */
  logTo(log: OperationLog | undefined): void {
    this.log = log
  }

  override apply<M extends Method>(operation: OperationOf<M>): OperationResults[M]
  override apply(operation: Operation): OperationResults[Method]
  override apply(operation: Operation): OperationResults[Method] {
    const { id, time, method, params } = operation
    const appended = this.log?.append({ time, method, params: params })
    if (appended !== undefined && appended.id !== id)
      throw new Error(`operation ${id} has id ${appended.id} in the log`)
    return super.apply(operation)
  }
}
