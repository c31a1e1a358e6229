/** For `import`, as index.mts is. */
export type * from './prometheus.js'
export { collectMetrics } from './prometheus.js'
