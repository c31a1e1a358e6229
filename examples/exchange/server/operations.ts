import { invalid } from '../errors'
import type { OperationParams, OperationResults } from '../operations'
import type { Exchange } from './exchange'
import type { Requests } from './wire'

/** The calls that change the state. */
export function operationHandlers(exchange: Exchange) {
  return {
    RegisterUser: ({ l1_address, l2_pubkey }: Requests['RegisterUser']) =>
      exchange.execute('register_user', said({ l1_address, l2_pubkey })),
    BalanceUpdate: (update: Requests['BalanceUpdate']) => {
      checkJson(update.detail)
      return exchange.execute('balance_update', said(update))
    },
    OrderPut: (order: Requests['OrderPut']) => exchange.execute('order_put', said(order)).then(orderOf),
    OrderCancel: (order: Requests['OrderCancel']) => exchange.execute('order_cancel', said(order)),
    OrderCancelAll: (orders: Requests['OrderCancelAll']) => exchange.execute('order_cancel_all', said(orders)),
    Transfer: (transfer: Requests['Transfer']) => exchange.execute('transfer', said(transfer)),
  } satisfies Record<string, (request: never) => Promise<object>>
}

/**
 * Leaves out what the wire's defaults have filled in, so that the log holds what was said. For the engine an absent text
 * is an empty one, and an absent flag false.
 */
function said<P extends OperationParams[keyof OperationParams]>(params: P): P {
  const entries = Object.entries(params).filter(([, value]) => value !== '' && value !== false)
  return Object.fromEntries(entries) as P
}

function orderOf({ order }: OperationResults['order_put']): OperationResults['order_put']['order'] {
  return order
}

function checkJson(text: string): void {
  if (text === '') return
  try {
    JSON.parse(text)
  } catch {
    throw invalid('invalid detail json')
  }
}
