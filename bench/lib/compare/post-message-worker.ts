/** The Worker of `post-message.ts`: writes the orders that it gets, and answers with the length of the file. */
import { parentPort, workerData } from 'node:worker_threads'
import { publish } from './file'
import { writeLines } from './lines'
import type { Order } from './orders'

parentPort?.on('message', (orders: readonly Order[]) => {
  void publish(workerData as string, (file) => writeLines(file, orders)).then(({ bytes }) =>
    parentPort?.postMessage(bytes),
  )
})
