import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Load } from './load'
import type { Session } from './method'
import { methodOf } from './methods'
import { makeOrders, OrderState } from './orders'

export function startPostMessage(records: number, folder: string): Promise<Session> {
  const orders = makeOrders(records)
  const heapMb = Math.ceil((records * methodOf('post-message').estimatedBytesPerRecord) / 2 ** 20) + 512
  const worker = new Worker(join(__dirname, 'post-message-worker.js'), {
    workerData: folder,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
  return Promise.resolve({
    startLoad: () => new Load(new OrderState(orders)),
    async take() {
      const written = once(worker, 'message') as Promise<[number]>
      const begun = performance.now()
      worker.postMessage(orders)
      const pauseMs = performance.now() - begun
      const [bytes] = await written
      return { pauseMs, bytes, copiedBytes: null, ownMemory: true }
    },
    async close() {
      await worker.terminate()
    },
  })
}
