/** What only the report needs is not among the project's packages: it is installed into `bench/node_modules`, once. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Draw } from './figure'

function npm(folder: string, ...args: string[]): boolean {
  const { status } = spawnSync('npm', args, {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  return status === 0
}

/** Installs charts and SQLite if they are not there; throws if the charts cannot be had. SQLite may fail: it is left out then. */
export function installPackages(folder: string, tell: (line: string) => void): void {
  const modules = join(folder, 'node_modules')
  if (!existsSync(join(modules, 'vega-lite')) || !existsSync(join(modules, 'vega'))) {
    tell('Installing the packages of bench/ (charts, SQLite) into bench/node_modules; this happens once.')
    if (!npm(folder, 'ci', '--ignore-scripts')) throw new Error('npm ci in bench/ failed: the report cannot be drawn')
  }
  if (!existsSync(join(modules, 'better-sqlite3', 'build', 'Release', 'better_sqlite3.node'))) {
    tell('Building better-sqlite3, unless it can be downloaded; that takes a minute or two.')
    if (!npm(folder, 'rebuild', 'better-sqlite3')) tell('better-sqlite3 could not be built: SQLite will be left out.')
  }
}

export async function loadDraw(folder: string): Promise<Draw> {
  const charts = (await import(pathToFileURL(join(folder, 'charts.mjs')).href)) as { readonly draw: Draw }
  return charts.draw
}
