/** Allocates as a busy server does: most objects die young, some live in a table for a while and are replaced. */

interface Entry {
  readonly id: number
  readonly name: string
  readonly values: number[]
}

const KEPT = 300_000
const ROUNDS = 20
const PER_ROUND = 100_000

const table = new Map<number, Entry>()
let sum = 0
for (let round = 0; round < ROUNDS; round++) {
  for (let i = 0; i < PER_ROUND; i++) {
    const id = (round * 7_919 + i * 104_729) % KEPT
    const entry = { id, name: `entry ${id} of round ${round}`, values: [id, round, i] }
    // Every fourth lives on.
    if (i % 4 === 0) table.set(id, entry)
    sum += entry.values.reduce((all, value) => all + value, 0) + (table.get(i)?.name.length ?? 0)
  }
}
console.log(table.size, sum)
