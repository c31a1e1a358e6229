/** Names of gRPC status codes; a server maps them to their numbers one to one. */
export type ExchangeStatus =
  | 'INVALID_ARGUMENT'
  | 'FAILED_PRECONDITION'
  | 'ALREADY_EXISTS'
  | 'RESOURCE_EXHAUSTED'
  /** Only a server says these two: the engine never does. */
  | 'PERMISSION_DENIED'
  | 'UNAVAILABLE'

/**
 * An operation or query that the exchange refuses. Nothing has changed when it is thrown: every check stands before the
 * first change, so that a refused operation can be logged and replayed without harm.
 */
export class ExchangeError extends Error {
  readonly status: ExchangeStatus

  constructor(status: ExchangeStatus, message: string) {
    super(message)
    this.name = 'ExchangeError'
    this.status = status
  }
}

export function invalid(message: string): ExchangeError {
  return new ExchangeError('INVALID_ARGUMENT', message)
}

export function notEnoughBalance(): ExchangeError {
  return new ExchangeError('FAILED_PRECONDITION', 'balance not enough')
}

/** Not now: nothing is wrong with what was asked for. */
export function unavailable(message: string): ExchangeError {
  return new ExchangeError('UNAVAILABLE', message)
}
