import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The files in which Linux tells about itself, below a folder that is `/` but for a test or a copy of another machine's.
 * What cannot be read is undefined: no check depends on one file alone.
 */
export class System {
  constructor(readonly root = '/') {}

  /** Whether it is the machine that this runs on. */
  get here(): boolean {
    return this.root === '/'
  }

  path(path: string): string {
    return join(this.root, path)
  }

  text(path: string): string | undefined {
    try {
      return readFileSync(this.path(path), 'utf8').trim()
    } catch {
      return undefined
    }
  }

  lines(path: string): string[] {
    return this.text(path)?.split('\n') ?? []
  }

  /** A whole number; Infinity for `max`. */
  number(path: string): number | undefined {
    const text = this.text(path)
    if (text === 'max') return Infinity
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
  }

  /** `name: 123 kB` as in /proc/meminfo and /proc/PID/status, in bytes. */
  kilobytes(path: string, name: string): number | undefined {
    const line = this.lines(path).find((one) => one.startsWith(`${name}:`))
    const digits = /:\s*(\d+) kB$/.exec(line ?? '')?.[1]
    return digits === undefined ? undefined : Number(digits) * 1024
  }

  /** The first word of `name: word ...` as in /proc/PID/status. */
  word(path: string, name: string): string | undefined {
    const line = this.lines(path).find((one) => one.startsWith(`${name}:`))
    return line
      ?.slice(name.length + 1)
      .trim()
      .split(/\s+/)[0]
  }

  /** `name 123` as in memory.stat of a cgroup. */
  field(path: string, name: string): number | undefined {
    const line = this.lines(path).find((one) => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }

  names(path: string): string[] {
    try {
      return readdirSync(this.path(path))
    } catch {
      return []
    }
  }

  link(path: string): string | undefined {
    try {
      return readlinkSync(this.path(path))
    } catch {
      return undefined
    }
  }
}
