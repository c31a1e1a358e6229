import { join } from 'node:path'
import { packageRoot } from '../../../src/addon-files'

/** The project's `bench` folder, where the packages are that only the benchmarks need. This file runs from `dist`. */
export function benchFolder(): string {
  return join(packageRoot(), 'bench')
}
