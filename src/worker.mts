/** For `import`, as index.mts is. */
export { registered } from './worker.js'
