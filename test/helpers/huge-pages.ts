import { readFileSync } from 'node:fs'

/** Whether the system has huge pages for those who ask. */
export function hugePagesThere(): boolean {
  try {
    return !readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'latin1').includes('[never]')
  } catch {
    return false
  }
}
