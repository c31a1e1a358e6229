import { setImmediate } from 'node:timers/promises'
import { publish } from './file'
import { writeLines } from './lines'
import { Load } from './load'
import type { Session } from './method'
import { makeOrders, OrderState } from './orders'

export function startSliced(records: number, folder: string): Promise<Session> {
  const orders = makeOrders(records)
  return Promise.resolve({
    startLoad: () => new Load(new OrderState(orders)),
    async take() {
      let pauseMs = 0
      const { bytes } = await publish(folder, (file) =>
        writeLines(file, orders, async (ms) => {
          pauseMs = Math.max(pauseMs, ms)
          await setImmediate()
        }),
      )
      return { pauseMs, bytes, copiedBytes: null, ownMemory: true }
    },
  })
}
