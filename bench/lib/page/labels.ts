/**
 * Moves labels apart that would stand on each other. `positions` are where they belong (pixels, in any order); the answer is where
 * they go, in the same order: at least `gap` apart, as near as that allows, and within 0 to `height` if there is room.
 */
export function spreadLabels(positions: readonly number[], gap: number, height: number): number[] {
  const order = positions.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at)
  // Groups of labels that touch each other stand around the middle of where they belong.
  const groups: { sum: number; indices: number[] }[] = []
  const start = ({ sum, indices }: (typeof groups)[number]): number => {
    const length = (indices.length - 1) * gap
    return Math.max(0, Math.min(height - length, sum / indices.length - length / 2))
  }
  for (const { at, index } of order) {
    groups.push({ sum: at, indices: [index] })
    for (;;) {
      const last = groups.at(-1)
      const before = groups.at(-2)
      if (last === undefined || before === undefined) break
      if (start(before) + before.indices.length * gap <= start(last)) break
      groups.splice(-2, 2, { sum: before.sum + last.sum, indices: [...before.indices, ...last.indices] })
    }
  }
  const placed = new Array<number>(positions.length).fill(0)
  for (const group of groups) {
    const first = start(group)
    group.indices.forEach((index, place) => (placed[index] = first + place * gap))
  }
  return placed
}
