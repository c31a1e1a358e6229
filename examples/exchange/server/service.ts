import { status, type handleUnaryCall, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { isForksnapError } from 'forksnap'
import type { Logger } from 'pino'
import { ExchangeError } from '../errors'
import { debugHandlers } from './debug'
import type { Exchange } from './exchange'
import type { Maintenance } from './maintenance'
import { operationHandlers } from './operations'
import { questionHandlers } from './questions'
import type { Requests, Rpc } from './wire'

type Handlers = { readonly [R in Rpc]: (request: Requests[R]) => object | Promise<object> }

export interface ServiceParts {
  readonly exchange: Exchange
  readonly maintenance: Maintenance
  readonly debug: boolean
  readonly logger: Logger
}

/** Every call of the service, as grpc-js wants it. */
export function exchangeService({ exchange, maintenance, debug, logger }: ServiceParts): UntypedServiceImplementation {
  const handlers: Handlers = {
    ...operationHandlers(exchange),
    ...questionHandlers(exchange),
    ...debugHandlers(maintenance, debug),
  }
  return Object.fromEntries(
    Object.entries(handlers).map(([rpc, handler]) => [rpc, unary(rpc, handler as UntypedHandler, logger)]),
  )
}

type UntypedHandler = (request: unknown) => object | Promise<object>

function unary(rpc: string, handler: UntypedHandler, logger: Logger): handleUnaryCall<unknown, object> {
  return ({ request }, callback) => {
    const refuse = (error: unknown): void => callback(answerOf(error, rpc, logger))
    try {
      const response = handler(request)
      if (response instanceof Promise) response.then((value: object) => callback(null, value), refuse)
      else callback(null, response)
    } catch (error) {
      refuse(error)
    }
  }
}

/** What the client is told. What nobody foresaw goes into the log, since it may name files and hosts. */
function answerOf(error: unknown, rpc: string, logger: Logger): { code: status; details: string } {
  if (error instanceof ExchangeError) return { code: status[error.status], details: error.message }
  logger.error({ err: error, rpc }, 'a call failed')
  if (!isForksnapError(error)) return { code: status.INTERNAL, details: 'internal error' }
  const code = error.code === 'ERR_ABORTED' ? status.ABORTED : status.INTERNAL
  return { code, details: `${rpc} failed: ${error.code}` }
}
