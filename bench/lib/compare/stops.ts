/** The two methods that make one value of the whole state, in one call. */
import v8 from 'node:v8'
import { publish } from './file'
import { Load } from './load'
import type { Session } from './method'
import { makeOrders, OrderState, type Order } from './orders'

function session(records: number, folder: string, serialize: (orders: readonly Order[]) => string | Buffer): Session {
  const orders = makeOrders(records)
  return {
    startLoad: () => new Load(new OrderState(orders)),
    async take() {
      const begun = performance.now()
      const data = serialize(orders)
      const pauseMs = performance.now() - begun
      const { bytes } = await publish(folder, (file) => file.writeFile(data))
      return { pauseMs, bytes, copiedBytes: null, ownMemory: true }
    },
  }
}

export function startStringify(records: number, folder: string): Promise<Session> {
  return Promise.resolve(session(records, folder, (orders) => JSON.stringify(orders)))
}

export function startSerialize(records: number, folder: string): Promise<Session> {
  return Promise.resolve(session(records, folder, (orders) => v8.serialize(orders)))
}
